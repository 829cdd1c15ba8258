"""Which input artifact is the site, which holds the outputs, and what the outputs name: found by content, not by order.

Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from deployer.errors import Rejected
from s3deployer.parameters import Parameters

# How the output that names the bucket may be called, where UserParameters do not say.
BUCKET_OUTPUTS = ("Bucket", "BucketName")
# https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_Distribution.html
_DISTRIBUTION = re.compile(r"E[A-Z0-9]{8,20}")


@dataclass(frozen=True, slots=True)
class Choice:
    """Artifact names. ``outputs`` is empty where no artifact holds any, and none are needed."""

    site: str
    outputs: str = ""


def choose(artifacts: Mapping[str, frozenset[str]], parameters: Parameters) -> Choice:
    """Choose among artifacts, given as name -> the names of their files.

    The outputs are in an archive that holds nothing but the outputs file, or in the only one that holds such a file
    at all (a site may have a file of that name too). The site is the one that remains.

    Raises:
        Rejected: where that leaves nothing or more than one.
    """
    wanted = parameters.outputs
    if not artifacts:
        raise Rejected("the action has no input artifact")
    alone = [name for name, files in artifacts.items() if files == {wanted}]
    holders = alone or [name for name, files in artifacts.items() if wanted in files]
    if parameters.bucket:
        outputs = alone
    elif not holders:
        raise Rejected(
            f"no input artifact holds {wanted}: add the output artifact of the action that deploys the stack "
            "(OutputFileName), or name the bucket in UserParameters"
        )
    else:
        outputs = holders
    if len(outputs) > 1:
        raise Rejected(f"{wanted} is in more than one input artifact: {', '.join(sorted(outputs))}")
    sites = [name for name in artifacts if name not in outputs]
    if len(sites) != 1:
        what = "no input artifact is left for" if not sites else f"{', '.join(sorted(sites))} may each be"
        raise Rejected(f"{what} the site: give this action the build's artifact and the stack's outputs")
    return Choice(sites[0], outputs[0] if outputs else "")


def outputs_of(text: bytes, file: str) -> Mapping[str, str]:
    """The outputs of a CloudFormation action: output name -> value.

    Raises:
        Rejected: where the file is no JSON object.
    """
    try:
        outputs = json.loads(text)
    except ValueError as error:
        raise Rejected(f"{file} is not JSON: {error}") from error
    if not isinstance(outputs, dict):
        raise Rejected(f"{file} is no JSON object of output name -> value")
    return {name: value for name, value in outputs.items() if isinstance(value, str) and value}


def bucket_of(outputs: Mapping[str, str], parameters: Parameters) -> str:
    """The bucket to publish to.

    Raises:
        Rejected: where nothing names one.
    """
    if parameters.bucket:
        return parameters.bucket
    names = (parameters.output,) if parameters.output else BUCKET_OUTPUTS
    for name in names:
        if name in outputs:
            return outputs[name]
    raise Rejected(
        f"{parameters.outputs} has no output called {' or '.join(names)}; the stack's template must have one, or "
        "UserParameters name it (output)"
    )


def distribution_of(outputs: Mapping[str, str], parameters: Parameters) -> str:
    """The id of the distribution to invalidate; empty where none is.

    Raises:
        Rejected: where it is neither an output nor looks like an id.
    """
    if parameters.invalidate is None:
        return ""
    named = parameters.invalidate.distribution
    found = outputs.get(named, named)
    if not _DISTRIBUTION.fullmatch(found):
        raise Rejected(f"invalidate: {found!r} is neither an output in {parameters.outputs} nor a distribution's id")
    return found
