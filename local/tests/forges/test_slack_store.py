"""The local Slack's memory where it cannot write what it is given."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer_local.slack.messages import Channel, Messages

UNWRITABLE = "half a pair: \ud83d"
"""Python's text holds it, sqlite's does not: the write fails in the middle of its transaction."""


@pytest.fixture
def messages(tmp_path: Path) -> Iterator[Messages]:
    """A memory with no messages, whose time stands still."""
    made = Messages(tmp_path / "slack.sqlite", clock=lambda: 1_700_000_000.0)
    yield made
    made.close()


@pytest.fixture
def channel(messages: Messages) -> Channel:
    """A channel in it."""
    return messages.add_channel("general")


def test_a_message_that_cannot_be_kept_leaves_nothing(messages: Messages, channel: Channel) -> None:
    with pytest.raises(UnicodeEncodeError):
        messages.post(channel, UNWRITABLE, [], None)
    assert messages.threads(channel) == []
    assert messages.post(channel, "next", [], None).ts == "1700000000.000000"
    assert [each.text for each in messages.threads(channel)] == ["next"]


def test_an_edit_that_cannot_be_kept_leaves_the_message(messages: Messages, channel: Channel) -> None:
    before = messages.post(channel, "before", [], None)
    with pytest.raises(UnicodeEncodeError):
        messages.edit(channel, before.ts, UNWRITABLE, [])
    assert messages.threads(channel) == [before]
    after = messages.edit(channel, before.ts, "after", [])
    assert [(each.text, each.at) for each in after.edits] == [("before", "1700000000.000000")]
    assert (after.text, after.edited) == ("after", "1700000000.000001")
