"""Where AWS's console shows things, in whichever partition. Pure.

Source: https://docs.aws.amazon.com/awsconsolehelpdocs/latest/gsg/select-region.html and the partitions' own pages
"""

from __future__ import annotations

from urllib.parse import quote

_HOSTS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def console(region: str) -> str:
    """The host of a region's console."""
    others = (each for each in _HOSTS if region.startswith(f"{each.removeprefix('aws-')}-"))
    return f"{region}.{_HOSTS[next(others, 'aws')]}"


def events_url(stack_id: str) -> str:
    """Where the console shows the events of a stack; empty for what is no stack's ARN."""
    match stack_id.split(":", 5):
        case ["arn", partition, "cloudformation", region, _, _] if partition in _HOSTS and region:
            host = f"{region}.{_HOSTS[partition]}"
            return (
                f"https://{host}/cloudformation/home?region={region}#/stacks/events?stackId={quote(stack_id, safe='')}"
            )
    return ""
