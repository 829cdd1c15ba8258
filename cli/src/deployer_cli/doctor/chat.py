"""Slack, with the token that the deployer has: is it good, may it post, is it in the channels.

slack_sdk is imported where it is needed: it costs 100 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployer_cli.findings import Finding, right, unknown, wrong

URL = "https://slack.com/api/"
# docs/operations.md has the app's manifest; without the two for people, authors are named instead of mentioned.
NEEDED = ("chat:write",)
WISHED = ("users:read", "users:read.email")
SET = "deployer config set opolis.slack.token"
INVITE = "/invite the app there"
SCOPES = "add them to the app (docs/operations.md), install it again, then `deployer config set opolis.slack.token`"


def channels_of(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The channels that the notifier's variables name, each once."""
    rules = (rule.partition("=")[2].strip() for rule in variables.get("SLACK_CHANNELS", "").split(","))
    found = [channel.lstrip("#") for channel in (*rules, variables.get("SLACK_CHANNEL", "").strip()) if channel]
    return tuple(dict.fromkeys(found))


def slack(url: str, token: str, channels: tuple[str, ...]) -> Iterator[Finding]:
    """auth.test, whose answer's header has the scopes; then each channel, as far as they allow a look."""
    from slack_sdk import WebClient  # noqa: PLC0415
    from slack_sdk.errors import SlackApiError, SlackClientError  # noqa: PLC0415

    client = WebClient(token, base_url=url, timeout=10)
    try:
        answer = client.auth_test()
    except SlackApiError as error:
        yield wrong("Slack's token", f"Slack refused it ({error.response['error']})", SET)
        return
    except (SlackClientError, OSError) as error:
        yield unknown("Slack's token", f"Slack did not answer ({type(error).__name__})", "try again")
        return
    yield right("Slack's token", f"{answer['user']} in {answer['team']}")
    headers = {name.lower(): str(value) for name, value in answer.headers.items()}
    given = {each.strip() for each in headers.get("x-oauth-scopes", "").split(",") if each.strip()}
    yield of_scopes(given)
    if "channels:read" not in given:
        for channel in channels:
            yield unknown(f"channel {channel}", "whether the app is in it can't be seen without channels:read")
        return
    try:
        listed = {
            name: each
            for page in client.conversations_list(exclude_archived=False, limit=200)
            for each in page["channels"]
            for name in (each["id"], each["name"])
        }
    except SlackApiError as error:
        yield unknown("channels", f"Slack does not list them ({error.response['error']})")
        return
    yield from (of_channel(channel, listed.get(channel)) for channel in channels)


def of_scopes(given: set[str]) -> Finding:
    """What the app may; nothing where Slack does not say."""
    if not given:
        return unknown("Slack's scopes", "Slack does not tell them")
    if missing := [scope for scope in NEEDED if scope not in given]:
        return wrong("Slack's scopes", f"the app lacks {', '.join(missing)}: it can't post", SCOPES)
    if missing := [scope for scope in WISHED if scope not in given]:
        return unknown("Slack's scopes", f"without {', '.join(missing)} authors are named, not mentioned", SCOPES)
    return right("Slack's scopes", ", ".join(sorted(given)))


def of_channel(channel: str, found: Mapping[str, Any] | None) -> Finding:
    """What conversations.list says of a channel; private ones are in it only where the app may see those."""
    subject = f"channel {channel}"
    if found is None:
        return unknown(subject, "it is not among the public channels: it is private, or there is none", INVITE)
    if found.get("is_archived"):
        return wrong(subject, "it is archived", "name another one (SlackChannel, SlackChannels)")
    if not found.get("is_member"):
        return wrong(subject, "the app is not in it", INVITE)
    return right(subject, "the app is in it")
