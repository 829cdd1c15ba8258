"""What `deploy` and `remove` say: of changes, problems and failures; and the progress of stacks."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import typer
from rich.console import Console

from deployer.refs import Stage
from deployer_cli.install import shown
from deployer_cli.install.deploy import _show as _show_changes
from deployer_cli.install.deploy import parts_of
from deployer_cli.install.progress import Progress
from deployer_cli.install.remove import _show as _show_removal
from deployer_cli.install.remove import carry_out
from deployer_cli.output import Output
from deployer_cli.place import Place as DeployerPlace
from deployer_deploy import PARTS, Configuration, Failure, StacksFailed, Target
from deployer_deploy.branches import BranchStack
from deployer_deploy.changes import LATER, Change, Code, Parameter, Resource
from deployer_deploy.checks import Findings, Problem
from deployer_deploy.progress import Event, Packaged, StackFailed, StackFinished, StackStarted, Uploaded
from deployer_deploy.removal import Removal

MANY = tuple(Resource(f"R{number}", "AWS::SQS::Queue", "change") for number in range(8))
CODE = Code("builder/0123456789abcdef.zip", 34_400, True)


@pytest.mark.parametrize(
    ("change", "row"),
    [
        pytest.param(Change("core", "d-core", "unchanged"), ("core", "unchanged", ""), id="unchanged"),
        pytest.param(Change("core", "d-core", "create", MANY), ("core", "create", "8 resources"), id="new"),
        pytest.param(Change("layer", "d-l", "create anew", MANY[:1]), ("layer", "create anew", "1 resource"), id="one"),
        pytest.param(
            Change("builder", "d", "update", MANY[:2], (Parameter("CodeKey", "a", "b"),), CODE),
            ("builder", "update", "R0 changed, R1 changed; code builder/0123456789ab, 34 kB"),
            id="code",
        ),
        pytest.param(
            Change("builder", "d", "update", MANY, (Parameter("IdleDays", "0", "14"),)),
            (
                "builder",
                "update",
                "R0 changed, R1 changed, R2 changed, R3 changed, R4 changed, R5 changed, 2 more; IdleDays 0 -> 14",
            ),
            id="many",
        ),
        pytest.param(
            Change("core", "d", "update", (), (Parameter("A", None, ""), Parameter("B", "x", LATER))),
            ("core", "update", 'A none -> ""; B x -> …'),
            id="values",
        ),
    ],
)
def test_a_change_is_a_row(change: Change, row: tuple[str, ...]) -> None:
    assert tuple(map(str, shown.change_row(change))) == row


def test_changes_are_counted() -> None:
    operations = ["create", "update", "wait, then update", "unchanged", "unchanged", "create anew"]
    found = shown.summary([Change("core", "d", operation) for operation in operations])
    assert found == "1 to create, 1 to create anew, 2 to update, 2 unchanged"


def test_problems_and_hints_have_their_fix_below_them() -> None:
    findings = Findings("", "", (Problem("no region", "Name one"),), (Problem("few", "Ask"),))
    assert shown.problems(findings) == ["✗ no region", "  Name one"]
    assert shown.hints(findings) == ["! few", "  Ask"]


@pytest.mark.parametrize(
    ("status", "reason", "advice"),
    [
        pytest.param("ROLLBACK_COMPLETE", "boom", "deleted and created anew", id="creation"),
        pytest.param("UPDATE_ROLLBACK_COMPLETE", "boom", "The stack is as it was before", id="update"),
        pytest.param("UPDATE_ROLLBACK_FAILED", "boom", "the rollback is taken up", id="rollback"),
        pytest.param("DELETE_FAILED", "boom", "the deletion is taken up", id="deletion"),
        pytest.param(None, "boom", "did not take it, so nothing changed", id="request"),
        pytest.param(None, "User ada is not authorized to perform: iam:CreateRole", "Allow these", id="permission"),
        pytest.param("ROLLBACK_COMPLETE", "d already exists", "choose another --name", id="taken"),
        pytest.param("ROLLBACK_COMPLETE", "Limit exceeded", "Service Quotas", id="quota"),
    ],
)
def test_a_failure_says_which_resource_why_and_what_to_do(status: str | None, reason: str, advice: str) -> None:
    failure = Failure("d-core", status, "Api" if status else "", reason)
    said, done = shown.failures([failure])
    assert said == f"✗ {failure}"
    assert reason in said
    assert advice in done


BRANCH = BranchStack("site-login-1", "arn", Stage.DEVELOPMENT, "acme/site", "feature/login")
SITE = BranchStack("site-production", "arn", Stage.PRODUCTION, "acme/site")


def test_what_goes_and_what_stays_are_rows() -> None:
    removal = Removal((BRANCH,), (SITE,), ("listener", "builder"), ("opolis.github.hmac",))
    assert [tuple(map(str, each)) for each in shown.removal_rows(removal)] == [
        ("remove", "acme/site feature/login", "site-login-1"),
        ("remove", "the deployer's builder", ""),
        ("remove", "the deployer's listener", ""),
        ("remove", "the secret opolis.github.hmac", ""),
        ("keep", "acme/site production", "site-production"),
    ]
    assert shown.removed(removal, "d") == (
        "d builds nothing any more. Kept: acme/site production; `deployer deploy` takes it all up again."
    )
    assert shown.removed(Removal((BRANCH,), (), PARTS), "d") == "d is removed."


@pytest.mark.parametrize(
    ("named", "parts"),
    [
        pytest.param([], PARTS, id="all"),
        pytest.param(["builder"], ("builder",), id="one"),
        pytest.param(["stack_cleaner", "core"], ("core", "stack-cleaner"), id="in-order"),
    ],
)
def test_functions_are_parts(named: list[str], parts: tuple[str, ...]) -> None:
    assert parts_of(named) == parts


def test_a_function_that_there_is_not_is_a_wrong_call() -> None:
    with pytest.raises(typer.BadParameter, match=r"no such function: shop \(there are core, layer, listener"):
        parts_of(["shop"])


# --- progress

EVENTS: list[Event] = [
    Packaged("builder", "builder/1.zip", 1000, 0.1),
    Uploaded("builder", "builder/1.zip", True),
    StackStarted("builder", "d-builder", "delete"),
    StackStarted("builder", "d-builder", "create"),
    StackStarted("notifier", "d-notifier", "update"),
    StackStarted("listener", "d-listener", "continue rollback"),
]


def played(events: list[Event], *, terminal: bool) -> str:
    said = io.StringIO()
    console = Console(file=said, width=100, force_terminal=terminal, color_system=None)
    now = iter(range(1, 1000))
    with Progress(console, clock=lambda: next(now)) as progress:
        for event in events:
            progress(event)
    return said.getvalue()


def test_without_a_terminal_everything_that_happens_is_a_line() -> None:
    assert played([*EVENTS, StackFailed("listener", "d-listener", 2.0)], terminal=False).splitlines() == [
        "builder: packaged, 1,000 bytes, 0.10 s",
        "builder: uploaded builder/1.zip",
        "d-builder: delete ...",
        "d-builder: create ...",
        "d-notifier: update ...",
        "d-listener: continue rollback ...",
        "d-listener: failed, 2.0 s",
    ]


def test_on_a_terminal_each_stack_has_a_row_and_its_time() -> None:
    ended = [StackFinished("builder", "d-builder", "created", 12.34), StackFailed("notifier", "d-notifier", 3.0)]
    rows = [line.split() for line in played([*EVENTS, *ended], terminal=True).splitlines() if "d-" in line][-3:]
    assert rows[0][0].endswith("✓")
    assert rows[0][1:] == ["d-builder", "created", "12.3", "s"]
    assert rows[1] == ["✗", "d-notifier", "failed", "3.0", "s"]
    assert rows[2][1:4] == ["d-listener", "continue", "rollback"]
    assert int(rows[2][4]) > 0


def test_as_json_everything_is_told() -> None:
    change = Change("builder", "d", "update", MANY[:1], (Parameter("IdleDays", "0", None),), CODE)
    told: Any = [
        shown.change_json(change),
        shown.change_json(Change("core", "d", "unchanged")),
        shown.findings_json(Findings("1", "eu", (Problem("a", "b"),))),
        shown.failure_json(Failure("d", None, "", "boom")),
        shown.removal_json(Removal((BRANCH,), (SITE,), ("core",), ("s",))),
    ]
    changed, same, findings, failure, removal = json.loads(json.dumps(told))
    assert changed["resources"] == [{"name": "R0", "type": "AWS::SQS::Queue", "change": "change"}]
    assert changed["parameters"] == [{"name": "IdleDays", "before": "0", "after": None}]
    assert changed["code"] == {"key": CODE.key, "size": 34_400, "fresh": True}
    assert same["code"] is None
    assert findings["problems"] == [{"what": "a", "fix": "b"}]
    assert (failure["stack"], "advice" in failure) == ("d", True)
    assert removal["kept"] == [{"name": "acme/site production", "stack": "site-production"}]


# --- what the commands print beside it


class Place:
    """As much of a place as is printed."""

    configuration = Configuration()
    where = "in eu-central-1"


def printed() -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Output(console=Console(file=out, width=200), errors=Console(file=err, width=200)), out, err


def test_hints_and_where_it_is_are_shown_before_anything_is_done() -> None:
    output, out, err = printed()
    place: Any = Place()
    _show_changes(place, output, Findings("1", "eu-central-1", (), (Problem("few", "Ask"),)), ())
    assert out.getvalue() == "opolis-deployer-prod in eu-central-1, account 1\n"
    assert err.getvalue() == "! few\n  Ask\n"
    _show_changes(place, output, Findings("", "", (Problem("none", "Sign in"),)), ())
    assert len(out.getvalue().splitlines()) == 1


def test_secrets_that_another_installation_uses_are_said_to_stay() -> None:
    output, _, err = printed()
    place: Any = Place()
    _show_removal(place, output, Removal((), (), ("core",), (), ("opolis-deployer-dev",)))
    assert err.getvalue() == "The secrets stay: opolis-deployer-dev uses them too.\n"


def test_a_stack_that_stays_ends_the_command_with_its_reason() -> None:
    class Remover:
        def remove(self, _: object) -> None:
            raise StacksFailed((Failure("site-staging", "DELETE_FAILED", "Site", "not empty"),))

    output, _, err = printed()
    remover: Any = Remover()
    with pytest.raises(typer.Exit) as ended:
        carry_out(remover, Removal((), (), ()), Progress(output.errors), output, {})
    assert ended.value.exit_code == 1
    assert "site-staging is DELETE_FAILED: Site: not empty" in err.getvalue()
    assert "the deletion is taken up where it stopped" in err.getvalue()


def test_on_aws_webhooks_go_to_aws() -> None:
    place = DeployerPlace(Target.aws("eu-central-1"), Configuration(), {})
    place.__dict__["outputs"] = {"Endpoint": "https://x.execute-api.eu-central-1.amazonaws.com/prod/webhook"}
    assert place.endpoint == "https://x.execute-api.eu-central-1.amazonaws.com/prod/webhook"
