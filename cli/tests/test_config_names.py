"""Which secrets are meant, and what can be one."""

from __future__ import annotations

import pytest

from deployer.errors import Rejected
from deployer_cli.config.names import (
    APP_ID,
    APP_KEY,
    FORMER_HMAC,
    GITHUB_HMAC,
    GITHUB_TOKEN,
    LONGEST,
    SLACK_TOKEN,
    Wish,
    complaint,
    full_name,
    pairs,
    values,
    wishes,
)

KEY = "adad8b59-c518-40e0-8039-f91fca167833"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKC\nAQEA==\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("opolis.github.token", GITHUB_TOKEN, id="whole"),
        pytest.param("github.token", GITHUB_TOKEN, id="without-its-beginning"),
        pytest.param("hmac", GITHUB_HMAC, id="the-last-word"),
        pytest.param("slack", SLACK_TOKEN, id="a-word-of-its-own"),
        pytest.param("app.key", APP_KEY, id="two-words"),
        pytest.param("id", APP_ID, id="one-word"),
        pytest.param("opolis.github.hmac.previous", FORMER_HMAC, id="the-former-one"),
    ],
)
def test_a_name_may_be_short(text: str, name: str) -> None:
    assert full_name(text) == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("token", "opolis.github.token or opolis.slack.token", id="two-have-it"),
        pytest.param("opolis", "may be", id="all-have-it"),
        pytest.param("github.tok", "no secret of that name", id="half-a-word"),
        pytest.param("hmac.github", "no secret of that name", id="in-another-order"),
        pytest.param("", "no secret of that name", id="nothing"),
    ],
)
def test_a_name_that_says_too_little(text: str, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        full_name(text)


def test_F91_a_value_given_for_a_name_is_not_repeated() -> None:
    with pytest.raises(Rejected) as refusal:
        wishes(["hmac", "canary"])
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize(
    ("arguments", "wished"),
    [
        pytest.param(["hmac"], [Wish(GITHUB_HMAC)], id="a-name"),
        pytest.param(["hmac", KEY], [Wish(GITHUB_HMAC, KEY)], id="its-key"),
        pytest.param(
            ["opolis.github.token", KEY, "hmac", "alias/ci"],
            [Wish(GITHUB_TOKEN, KEY), Wish(GITHUB_HMAC, "alias/ci")],
            id="pairs-as-ever",
        ),
        pytest.param(
            ["hmac", "slack", "arn:aws:kms:eu-west-1:1:key/x", "id"],
            [Wish(GITHUB_HMAC), Wish(SLACK_TOKEN, "arn:aws:kms:eu-west-1:1:key/x"), Wish(APP_ID)],
            id="some-with-a-key",
        ),
        pytest.param(["hmac", "mrk-" + "0" * 32], [Wish(GITHUB_HMAC, "mrk-" + "0" * 32)], id="a-multi-region-key"),
    ],
)
def test_what_is_to_be_set(arguments: list[str], wished: list[Wish]) -> None:
    assert list(wishes(arguments)) == wished


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        pytest.param([KEY], "no secret before it", id="a-key-alone"),
        pytest.param(["hmac", KEY, KEY], "no secret before it", id="two-keys"),
        pytest.param(["hmac", "github.hmac"], "twice", id="one-twice"),
    ],
)
def test_what_cannot_be_set(arguments: list[str], why: str) -> None:
    with pytest.raises(Rejected, match=why):
        wishes(arguments)


@pytest.mark.parametrize("arguments", [[], ["a"], ["a", "k", "b"]], ids=["none", "one", "three"])
def test_the_originals_arguments_are_pairs(arguments: list[str]) -> None:
    assert pairs(["my.own", "k", "b", "k"]) == (Wish("my.own", "k"), Wish("b", "k"))
    with pytest.raises(Rejected, match="pairs"):
        pairs(arguments)
    with pytest.raises(Rejected, match="twice"):
        pairs(["a", "k", "a", "l"])


@pytest.mark.parametrize(
    ("count", "text", "found"),
    [
        pytest.param(1, "one\n", ("one",), id="a-line"),
        pytest.param(1, f"{PEM}\n", (PEM,), id="a-file"),
        pytest.param(2, "one\ntwo\n", ("one", "two"), id="a-line-each"),
        pytest.param(2, " one\r\ntwo", ("one", "two"), id="a-line-each-as-windows-ends-it"),
    ],
)
def test_values_from_standard_input(count: int, text: str, found: tuple[str, ...]) -> None:
    assert values([Wish(str(number)) for number in range(count)], text) == found


@pytest.mark.parametrize("text", ["one", "one\ntwo\nthree\n", ""], ids=["too-few", "too-many", "none"])
def test_too_many_or_too_few_values(text: str) -> None:
    with pytest.raises(Rejected, match="for 2 secrets") as refusal:
        values([Wish("a"), Wish("b")], text)
    assert "one" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(GITHUB_TOKEN, "ghp_" + "a" * 36, id="classic-token"),
        pytest.param(GITHUB_TOKEN, "github_pat_" + "a1_" * 20, id="fine-grained-token"),
        pytest.param(GITHUB_TOKEN, "0123456789abcdef" * 2 + "01234567", id="old-token"),
        pytest.param(GITHUB_HMAC, "0" * 64, id="webhook-secret"),
        pytest.param(SLACK_TOKEN, "xoxb-1-2-three", id="bot-token"),
        pytest.param(APP_ID, "12345", id="app-id"),
        pytest.param(APP_ID, "Iv23liabcdefghij", id="app-client-id"),
        pytest.param(APP_KEY, PEM, id="key"),
        pytest.param(APP_KEY, PEM.replace("\n", "\r\n"), id="key-as-windows-ends-lines"),
        pytest.param("my.own", "anything", id="anybodys"),
    ],
)
def test_what_a_secret_looks_like(name: str, value: str) -> None:
    assert complaint(name, value) == ""


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        pytest.param(GITHUB_TOKEN, " \n", "empty", id="F2-empty"),
        pytest.param(GITHUB_HMAC, "canary" * LONGEST, "characters", id="too-long"),
        pytest.param(GITHUB_TOKEN, "canary\nghp_canary", "one line", id="two-lines"),
        pytest.param("my.own", "can\x00ary", "one line", id="no-text"),
        pytest.param(GITHUB_TOKEN, "c" * 64, "no token of GitHub's", id="a-webhook-secret-for-a-token"),
        pytest.param(GITHUB_HMAC, "canary", "shorter than 16", id="a-weak-one"),
        pytest.param(FORMER_HMAC, "canary", "shorter than 16", id="a-weak-one-of-old"),
        pytest.param(SLACK_TOKEN, "xoxp-canary", "no bot token", id="a-persons-token"),
        pytest.param(APP_ID, "canary", "no App's id", id="an-apps-name"),
        pytest.param(APP_KEY, "MIIEcanary", "no private key", id="no-pem"),
        pytest.param(APP_KEY, PEM.replace("RSA PRIVATE", "PUBLIC"), "no private key", id="the-public-key"),
    ],
)
def test_F91_what_is_wrong_with_a_value_is_said_without_it(name: str, value: str, why: str) -> None:
    assert why in complaint(name, value)
    assert "canary" not in complaint(name, value)
