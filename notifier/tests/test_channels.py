"""Which channel hears of what."""

from __future__ import annotations

import re

import pytest

from deployer.errors import Broken
from deployer.refs import Stage
from deployer.settings import load
from notifier.channels import Channels, Rule, Told, Voice, rules_of, told_of
from notifier.handler import Settings

WRITTEN = " acme/site:production=#releases, acme/site = C0123456789 ,ACME/*:development=ci-é_1,, *=#ci"
RULES = rules_of(WRITTEN)


def test_rules_as_they_are_written() -> None:
    assert (
        Rule("acme/site", Stage.PRODUCTION, "#releases"),
        Rule("acme/site", None, "C0123456789"),
        Rule("ACME/*", Stage.DEVELOPMENT, "ci-é_1"),
        Rule("*", None, "#ci"),
    ) == RULES
    assert rules_of("") == ()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("acme/site", "'acme/site' is no `pattern=channel`"),
        ("=#ci", "'=#ci' is no `pattern=channel`"),
        (":staging=#ci", "':staging=#ci' is no `pattern=channel`"),
        ("site=#ci", "'site' takes no `owner/name`"),
        ("*:prod=#ci", "'prod' is none of development, staging, production"),
        ("*:=#ci", "'' is none of development, staging, production"),
        ("*=", "'' is no channel's name or id"),
        ("*=#", "'#' is no channel's name or id"),
        ("*=#My Team", "'#My Team' is no channel's name or id"),
        ("*=@ada", "'@ada' is no channel's name or id"),
        ("*=a=b", "'a=b' is no channel's name or id"),
        ("*=" + "x" * 81, f"'{'x' * 81}' is no channel's name or id"),
        ("site=#ci, *=#ok, *:prod=#ci", "'site' takes no `owner/name`; 'prod' is none of"),
    ],
)
def test_everything_that_is_wrong_is_told_at_once(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(wrong)):
        rules_of(text)


@pytest.mark.parametrize(
    ("repository", "stage", "channel"),
    [
        ("acme/site", Stage.PRODUCTION, "#releases"),
        ("Acme/Site", Stage.PRODUCTION, "#releases"),
        ("acme/site", Stage.STAGING, "C0123456789"),
        ("acme/site", Stage.DEVELOPMENT, "C0123456789"),
        ("acme/other", Stage.DEVELOPMENT, "ci-é_1"),
        ("acme/other", Stage.STAGING, "#ci"),
        ("beta/site", Stage.PRODUCTION, "#ci"),
        ("", Stage.PRODUCTION, "#ci"),
    ],
)
def test_the_first_rule_that_takes_an_environment_speaks(repository: str, stage: Stage, channel: str) -> None:
    assert Channels("deployments", RULES).voice(repository, stage).channel == channel


def test_what_no_rule_takes_goes_to_the_default() -> None:
    rules = rules_of("acme/site:production=#releases")
    assert Channels("deployments", rules).voice("acme/site", Stage.STAGING) == Voice("deployments")
    assert Channels("", rules).voice("acme/site", Stage.STAGING) == Voice("")
    assert Channels().voice("acme/site", Stage.PRODUCTION) == Voice("")


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("told", Told)
def test_development_alone_is_quiet(stage: Stage, told: Told) -> None:
    voice = Channels("c", development=told).voice("acme/site", stage)
    loud = stage is not Stage.DEVELOPMENT or told is Told.ALL
    assert voice == (Voice("c") if loud else Voice("") if told is Told.NONE else Voice("c", quiet=True))


def test_by_default_development_is_told_of_failures() -> None:
    assert Channels("c").voice("acme/site", Stage.DEVELOPMENT).quiet


def test_wrong_settings_are_told_at_the_start_all_at_once() -> None:
    environ = {"ENVIRONMENTS_TABLE": "t", "GITHUB_TOKEN_PARAMETER": "g", "SLACK_CHANNELS": "site=x, *:prod=#ci"}
    with pytest.raises(Broken) as refusal:
        load(Settings, {**environ, "SLACK_DEVELOPMENT": "loud"})
    told = str(refusal.value)
    assert told.startswith(
        "environment variables not set: SLACK_TOKEN_PARAMETER, SLACK_CHANNELS: 'site' takes no `owner/name`; "
        "'prod' is none of development, staging, production, SLACK_DEVELOPMENT: 'loud' is none of all, failures, none;"
    )
    right = load(Settings, {**environ, "SLACK_TOKEN_PARAMETER": "s", "SLACK_CHANNELS": "*=#ci"})
    assert (right.slack_channels, right.slack_development) == ((Rule("*", None, "#ci"),), Told.FAILURES)


def test_how_much_is_told() -> None:
    assert [told_of(text) for text in ("all", "failures", "none")] == [Told.ALL, Told.FAILURES, Told.NONE]
    with pytest.raises(ValueError, match="'loud' is none of all, failures, none"):
        told_of("loud")
