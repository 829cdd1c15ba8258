"""What `deployer doctor` makes of what it sees, each thing for itself."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from rich.console import Console

from deployer.errors import Broken, Rejected
from deployer.github_wire import Answer
from deployer_cli.checkout import FullName
from deployer_cli.config.parameters import Description
from deployer_cli.doctor import chat, command, door, forge, installation, vault
from deployer_cli.findings import Finding, Verdict, right, show, together, unknown, wrong
from deployer_cli.output import Output
from deployer_cli.place import Place
from deployer_deploy.configuration import Configuration
from deployer_deploy.plan import Stack
from deployer_deploy.target import Target
from deployer_local.aws.serving import LoopbackServer
from deployer_local.slack import Slack

SITE = FullName("acme", "site")
NOW = datetime(2026, 11, 25, tzinfo=UTC)
RIGHT, WRONG, UNKNOWN = Verdict.RIGHT, Verdict.WRONG, Verdict.UNKNOWN


def printed(found: list[Finding], *, as_json: bool = False) -> tuple[bool, str]:
    text = io.StringIO()
    fine = show(Output(as_json, Console(file=text, width=60)), found)
    return fine, text.getvalue()


def test_a_line_each_with_its_fix() -> None:
    found = [right("a", "fine"), wrong("b", "not\x1bfine", "mend it"), unknown("c", "dark")]
    assert printed(found) == (False, "✓ a: fine\n✗ b: not\N{REPLACEMENT CHARACTER}fine\n  → mend it\n- c: dark\n")
    assert printed([found[0], found[2]])[0], "what can't be seen is no fault"
    fine, text = printed(found, as_json=True)
    assert json.loads(text) == {
        "ok": fine,
        "findings": [
            {"subject": "a", "verdict": "right", "said": "fine", "fix": ""},
            {"subject": "b", "verdict": "wrong", "said": "not\x1bfine", "fix": "mend it"},
            {"subject": "c", "verdict": "unknown", "said": "dark", "fix": ""},
        ],
    }


def test_what_is_right_is_said_together() -> None:
    assert together("all", "fine", [right("a", ""), right("b", "")]) == [right("all", "fine")]
    assert together("all", "fine", [right("a", ""), wrong("b", "x", "y")]) == [wrong("b", "x", "y")]


@pytest.mark.parametrize(
    ("status", "verdict", "said"),
    [
        pytest.param(None, WRONG, "not installed", id="missing"),
        pytest.param("DELETE_COMPLETE", WRONG, "not installed", id="deleted"),
        pytest.param("CREATE_COMPLETE", RIGHT, "CREATE_COMPLETE", id="made"),
        pytest.param("UPDATE_IN_PROGRESS", UNKNOWN, "being changed", id="moving"),
        pytest.param("UPDATE_ROLLBACK_COMPLETE", WRONG, "(UPDATE_ROLLBACK_COMPLETE: no room)", id="taken-back"),
    ],
)
def test_stacks(status: str | None, verdict: Verdict, said: str) -> None:
    found = installation.of_stack(Stack("opolis-deployer-prod-core", status=status, reason="no room"))
    assert found.verdict is verdict
    assert said in found.said


def test_a_stack_without_a_reason() -> None:
    assert installation.of_stack(Stack("x", status="DELETE_FAILED")).said == "its last change failed (DELETE_FAILED)"


@pytest.mark.parametrize(
    ("state", "reserved", "mapping", "verdict", "said"),
    [
        pytest.param({"State": "Active"}, None, "Enabled", RIGHT, "active", id="active"),
        pytest.param({"State": "Failed", "StateReason": "no key"}, None, "Enabled", WRONG, "no key", id="failed"),
        pytest.param(
            {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no layer"},
            None,
            "Enabled",
            WRONG,
            "no layer",
            id="x",
        ),
        pytest.param({"State": "Failed"}, None, "Enabled", WRONG, "no reason given", id="failed-silently"),
        pytest.param({"State": "Active"}, 0, "Enabled", WRONG, "switched off", id="switched-off"),
        pytest.param({"State": "Active"}, 5, "Disabled", WRONG, "does not read looks", id="deaf"),
    ],
)
def test_functions(state: dict[str, Any], reserved: int | None, mapping: str, verdict: Verdict, said: str) -> None:
    mappings = [{"State": mapping, "UUID": "u", "EventSourceArn": "arn:aws:sqs:r:1:looks"}]
    found = installation.of_function("f", state, reserved, mappings)
    assert found.verdict is verdict
    assert said in found.said
    assert bool(found.fix) is (verdict is WRONG)


@pytest.mark.parametrize(
    ("signed", "answer", "verdict", "said"),
    [
        pytest.param(True, 200, RIGHT, "says hello", id="signed-taken"),
        pytest.param(True, 401, WRONG, "another secret", id="signed-refused"),
        pytest.param(True, 0, WRONG, "does not answer", id="signed-no-answer"),
        pytest.param(True, 404, WRONG, "answers 404", id="signed-not-there"),
        pytest.param(False, 401, RIGHT, "refused", id="F1-unsigned-refused"),
        pytest.param(False, 0, WRONG, "does not answer", id="unsigned-no-answer"),
        pytest.param(False, 200, WRONG, "not refused", id="F1-unsigned-taken"),
    ],
)
def test_the_endpoint(signed: bool, answer: int, verdict: Verdict, said: str) -> None:
    found = (door.of_signed if signed else door.of_unsigned)("https://x/webhook", answer)
    assert found.verdict is verdict
    assert said in found.said


@pytest.mark.parametrize(
    ("scopes", "verdict"),
    [
        pytest.param(None, UNKNOWN, id="fine-grained"),
        pytest.param("gist, repo", RIGHT, id="classic"),
        pytest.param("gist, repo:status", WRONG, id="too-little"),
        pytest.param("", WRONG, id="nothing"),
    ],
)
def test_scopes(scopes: str | None, verdict: Verdict) -> None:
    assert forge.of_scopes(scopes).verdict is verdict


@pytest.mark.parametrize(
    ("ends", "verdict", "said"),
    [
        pytest.param("2027-01-01 00:00:00 UTC", RIGHT, "2027-01-01 00:00 UTC", id="far"),
        pytest.param("2026-11-30 09:00:00 -0800", WRONG, "2026-11-30 17:00 UTC", id="soon"),
        pytest.param("next year", UNKNOWN, "next year", id="in-words"),
    ],
)
def test_a_tokens_end(ends: str, verdict: Verdict, said: str) -> None:
    found = forge.of_end(ends, NOW)
    assert found.verdict is verdict
    assert said in found.said


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        pytest.param({}, RIGHT, id="nothing-said-of-permissions"),
        pytest.param({"permissions": {"push": True}}, RIGHT, id="may-write"),
        pytest.param({"permissions": {"push": False}}, WRONG, id="may-only-read"),
        pytest.param({"archived": True}, WRONG, id="archived"),
    ],
)
def test_a_repository(told: dict[str, Any], verdict: Verdict) -> None:
    assert forge.of_repository(SITE, {"default_branch": "main", **told}).verdict is verdict


@pytest.mark.parametrize(
    ("names", "verdict"),
    [(["pipeline.yml", "x"], RIGHT), (["pipeline.json"], RIGHT), (["pipeline.parameters.json"], WRONG), ([], WRONG)],
    ids=["yaml", "json", "parameters-alone", "nothing"],
)
def test_a_template(names: list[str], verdict: Verdict) -> None:
    assert forge.of_template(SITE, "main", names).verdict is verdict


@pytest.mark.parametrize(("patterns", "verdict"), [("*", RIGHT), ("Acme/*", RIGHT), ("acme/other", WRONG), ("", WRONG)])
def test_F17_admission(patterns: str, verdict: Verdict) -> None:
    found = forge.admission(
        SITE, {"listener": {"ALLOWED_REPOSITORIES": "*"}, "builder": {"ALLOWED_REPOSITORIES": patterns}}
    )
    assert found.verdict is verdict
    assert ("builder" in found.said) is (verdict is WRONG)


# --- looks that fail


def refused(code: str) -> Iterator[Finding]:
    yield right("first", "fine")
    raise ClientError({"Error": {"Code": code}}, "DescribeAlarms")


@pytest.mark.parametrize(
    ("look", "verdict", "said"),
    [
        pytest.param(lambda: refused("AccessDenied"), UNKNOWN, "may not look (DescribeAlarms)", id="not-allowed"),
        pytest.param(lambda: refused("ExpiredToken"), WRONG, "(ExpiredToken)", id="expired"),
    ],
)
def test_a_look_that_is_refused(look: Any, verdict: Verdict, said: str) -> None:
    first, second = command.looked("alarms", look)
    assert first.said == "fine"
    assert second.verdict is verdict
    assert said in second.said


@pytest.mark.parametrize("error", [NoCredentialsError(), Broken("no secret"), Rejected("no")], ids=repr)
def test_a_look_that_fails(error: Exception) -> None:
    def look() -> list[Finding]:
        raise error

    [found] = command.looked("x", look)
    assert found.verdict is WRONG
    assert str(error) in found.said


def test_without_a_token_of_ones_own_the_webhook_is_not_looked_at() -> None:
    place = Place(Target(), Configuration(), {})
    [found] = command.of_webhook(place, SITE)
    assert (found.verdict, found.subject) == (UNKNOWN, "webhook")
    with pytest.raises(Rejected, match="GH_TOKEN"):
        _ = place.own_github
    assert Place(Target(), Configuration(), {"GITHUB_TOKEN": "ghp_x"}).own_github


def test_the_repository_is_the_one_that_is_named_or_the_checkouts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command._named("acme/site") == SITE
    assert command._named(None) is None
    with pytest.raises(Rejected, match="OWNER/NAME"):
        command._named("site")


class NoPlace:
    """A place where every client fails so."""

    configuration = Configuration()

    def __init__(self, error: Exception) -> None:
        self.error = error

    def client(self, _service: str) -> Any:
        raise self.error


def test_without_credentials_nothing_else_is_looked_at() -> None:
    place: Any = NoPlace(NoCredentialsError())
    [found] = command.examined(place, SITE)
    assert (found.subject, found.verdict) == ("credentials", WRONG)


def test_of_a_function_that_is_gone_nothing_is_known() -> None:
    place: Any = NoPlace(ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetFunctionConfiguration"))
    assert command._variables(place, "listener") == {}


def test_an_endpoint_where_nobody_listens() -> None:
    assert door._knock("http://127.0.0.1:9/webhook", {}) == 0


def test_a_token_says_how_long_it_is_good() -> None:
    class Told:
        def get(self, _path: str) -> Answer:
            headers = {"X-OAuth-Scopes": "repo", "GitHub-Authentication-Token-Expiration": "2026-11-26 00:00:00 UTC"}
            return Answer(200, headers, b'{"login": "ada"}')

    wire: Any = Told()
    found = list(forge.token(wire, NOW))
    assert [each.subject for each in found] == ["token", "token's scopes", "token's end"]
    assert [each.verdict for each in found] == [RIGHT, RIGHT, WRONG]


def test_a_secret_that_is_not_for_whoever_asks_to_read() -> None:
    class Shut:
        def all(self, _prefix: str) -> dict[str, Description]:
            return {"opolis.github.hmac": Description("opolis.github.hmac", NOW, "alias/x", 1)}

        def get(self, _name: str) -> str:
            raise Broken("no kms:Decrypt")

    parameters: Any = Shut()
    hmac, token = vault.secrets(parameters, slack=False, now=NOW)
    assert (hmac.verdict, "no kms:Decrypt" in hmac.said) == (UNKNOWN, True)
    assert (token.subject, token.verdict) == ("secret opolis.github.token", WRONG)


def test_an_app_needs_both_its_secrets_and_no_token() -> None:
    class Half:
        def all(self, _prefix: str) -> dict[str, Description]:
            return {"opolis.github.app.id": Description("opolis.github.app.id", NOW, "k", 1)}

        def get(self, _name: str) -> str:
            return "123"

    parameters: Any = Half()
    found = {each.subject: each.verdict for each in vault.secrets(parameters, slack=False, now=NOW)}
    names = ("opolis.github.hmac", "opolis.github.app.id", "opolis.github.app.key")
    assert found == dict(zip((f"secret {name}" for name in names), (WRONG, RIGHT, WRONG), strict=True))


@pytest.mark.parametrize(("hours", "told"), [(1, True), (25, False)], ids=["F18-under-way", "F18-over"])
def test_a_rotation_that_is_under_way_is_told(hours: int, told: bool) -> None:
    name = "opolis.github.hmac.previous"

    class Rotated:
        def all(self, _prefix: str) -> dict[str, Description]:
            return {name: Description(name, NOW - timedelta(hours=hours), "k", 1)}

    parameters: Any = Rotated()
    found = [each for each in vault.secrets(parameters, slack=True, now=NOW) if each.subject == "rotation"]
    assert [each.verdict for each in found] == [UNKNOWN] * told


# --- Slack


@pytest.mark.parametrize(
    ("variables", "channels"),
    [
        pytest.param({}, (), id="none"),
        pytest.param({"SLACK_CHANNEL": "#ci"}, ("ci",), id="one"),
        pytest.param(
            {"SLACK_CHANNEL": "ci", "SLACK_CHANNELS": "acme/site:production=#releases, *=#ci"},
            ("releases", "ci"),
            id="rules",
        ),
    ],
)
def test_the_channels_that_are_named(variables: dict[str, str], channels: tuple[str, ...]) -> None:
    assert chat.channels_of(variables) == channels


def told(tmp_path: Path, scopes: list[str], channels: tuple[str, ...], *faults: tuple[str, int | str]) -> list[Finding]:
    """What is found of a Slack that answers so."""
    server = LoopbackServer(0)
    workspace = Slack(tmp_path / "slack", token="xoxb-right", scopes=scopes)
    workspace.create_channel("left")
    workspace.remove_from_channel("left")
    workspace.create_channel("old")
    workspace.archive_channel("old")
    for method, what in faults:
        workspace.fail_next(what, method=method)
    server.start(workspace.app, "slack")
    try:
        return list(chat.slack(f"{server.url}/", "xoxb-right", channels))
    finally:
        server.stop()
        workspace.close()


ALL = ["chat:write", "users:read", "users:read.email", "channels:read"]


def test_channels_are_looked_at_where_the_app_may(tmp_path: Path) -> None:
    found = told(tmp_path, ALL, ("deployments", "left", "old", "secret"))
    assert [each.verdict for each in found] == [RIGHT, RIGHT, RIGHT, WRONG, WRONG, UNKNOWN]
    assert [each.subject for each in found[2:]] == [
        f"channel {each}" for each in ("deployments", "left", "old", "secret")
    ]


def test_channels_that_can_not_be_looked_at_are_said_to_be_so(tmp_path: Path) -> None:
    found = told(tmp_path, ALL[:3], ("deployments",))
    assert [each.verdict for each in found] == [RIGHT, RIGHT, UNKNOWN]
    assert "channels:read" in found[2].said
    assert told(tmp_path, ALL, ("x",), ("conversations.list", "fatal_error"))[2].said.endswith("(fatal_error)")


@pytest.mark.parametrize(
    ("scopes", "verdict", "said"),
    [
        pytest.param(["users:read"], WRONG, "lacks chat:write", id="mute"),
        pytest.param(["chat:write"], UNKNOWN, "without users:read", id="without-names"),
        pytest.param([], UNKNOWN, "does not tell", id="not-told"),
    ],
)
def test_the_apps_scopes(tmp_path: Path, scopes: list[str], verdict: Verdict, said: str) -> None:
    found = told(tmp_path, scopes, ())[1]
    assert found.verdict is verdict
    assert said in found.said


def test_a_token_that_slack_refuses_and_a_slack_that_is_down(tmp_path: Path) -> None:
    [found] = told(tmp_path, ALL, (), ("auth.test", "token_revoked"))
    assert (found.verdict, found.said) == (WRONG, "Slack refused it (token_revoked)")
    [found] = chat.slack("http://127.0.0.1:9/", "x", ())
    assert found.verdict is UNKNOWN
