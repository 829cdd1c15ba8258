"""`deployer webhook` and `deployer doctor` against an engine in which one thing after the other is broken."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deployer.errors import Rejected
from deployer.github_wire import Wire
from deployer_cli.checkout import FullName
from deployer_cli.demo.worktree import Worktree
from deployer_cli.main import app
from deployer_cli.webhooks.hooks import Hooks
from deployer_deploy.configuration import Configuration
from deployer_deploy.tree import Tree
from deployer_local.engine import Engine
from deployer_local.github import Hook

SITE, EMPTY = "acme/site", "acme/empty"
PREFIX = Configuration().prefix
HMAC, TOKEN, SLACK = "opolis.github.hmac", "opolis.github.token", "opolis.slack.token"


def deployer(engine: Engine, *arguments: str) -> Result:
    return CliRunner().invoke(
        app, [*arguments, "--local", "--data", str(engine.data)], env={"COLUMNS": "200", "GH_TOKEN": None}
    )


def findings(engine: Engine, *arguments: str) -> list[dict[str, str]]:
    """What `deployer doctor` finds; ``ok`` and the exit code go with it."""
    done = deployer(engine, "doctor", "--json", *arguments)
    told = json.loads(done.stdout)
    wrong = [each for each in told["findings"] if each["verdict"] == "wrong"]
    assert (told["ok"], done.exit_code) == (not wrong, 1 if wrong else 0), done.output
    found: list[dict[str, str]] = told["findings"]
    return found


@pytest.fixture(scope="module")
def site(installed: Engine, tmp_path_factory: pytest.TempPathFactory) -> Worktree:
    """A repository with a template on main, of whose pushes the deployer hears by its own webhook alone."""
    for hook in installed.github.hooks():
        installed.github.remove_hook(hook.id)
    for name in (SITE, EMPTY):
        installed.github.create_repository(name)
    example = Tree.here().root / "examples" / "static-site"
    tree = Worktree(tmp_path_factory.mktemp("work") / "site", example, installed.git_url(SITE))
    tree.commit("Begin")
    tree.push("main")
    return tree


def own_hook(engine: Engine) -> Hook:
    [hook] = engine.github.hooks()
    return hook


# --- the webhook


def test_a_webhook_is_made_once_and_mended_in_whatever_way_it_is_wrong(installed: Engine, site: Worktree) -> None:
    missing = deployer(installed, "webhook", "check", SITE)
    assert missing.exit_code == 1
    assert "acme/site has none that points at http://127.0.0.1" in missing.stdout
    assert "→ deployer webhook add acme/site" in missing.stdout

    made = deployer(installed, "webhook", "add", SITE)
    assert made.exit_code == 0, made.output
    assert "made: push to http://127.0.0.1" in made.stdout
    assert "✓ ping: ping of " in made.stdout
    hook = own_hook(installed)
    secret = installed.client("ssm").get_parameter(Name=HMAC, WithDecryption=True)["Parameter"]["Value"]
    right = (hook.url, hook.secret, hook.events, hook.active, hook.content_type, hook.insecure_ssl)
    assert right[1:] == (secret, ("push",), True, "json", "0")
    assert secret not in made.output

    wire = Wire(installed.github_url, lambda: installed.github_token)
    wrong = {"url": hook.url.replace("/prod/", "/dev/"), "content_type": "form", "insecure_ssl": "1"}
    wire.patch(f"repos/{SITE}/hooks/{hook.id}", {"config": wrong, "active": False, "events": ["issues"]}).object()
    found = deployer(installed, "webhook", "check", SITE)
    assert found.exit_code == 1
    for each in ("URL", "content type", "secret", "events", "active", "certificate"):
        assert f"✗ webhook's {each}: " in found.stdout, "F95: each is named"
    mended = deployer(installed, "webhook", "add", SITE)
    assert (mended.exit_code, f"webhook {hook.id} of acme/site mended" in mended.stdout) == (0, True), mended.output
    again = json.loads(deployer(installed, "webhook", "add", SITE, "--json").stdout)
    assert (again["id"], again["outcome"], again["ping"]) == (hook.id, "set anew", "right")
    now = own_hook(installed)
    assert (now.url, now.secret, now.events, now.active, now.content_type, now.insecure_ssl) == right


def test_what_became_of_deliveries(installed: Engine, site: Worktree) -> None:
    assert deployer(installed, "webhook", "add", SITE).exit_code == 0
    hook = own_hook(installed)
    wire = Wire(installed.github_url, lambda: installed.github_token)
    config = {"url": hook.url, "content_type": "json", "insecure_ssl": "0"}
    wire.patch(f"repos/{SITE}/hooks/{hook.id}", {"config": config | {"secret": "another one"}}).object()
    site.push("HEAD:refs/tags/once")  # a tag that is no release: the listener ignores it
    assert installed.github.settle()
    refused = deployer(installed, "webhook", "check", SITE)
    assert refused.exit_code == 1
    assert "✗ last delivery: push of " in refused.stdout
    assert "answered 401: it is signed with another secret" in refused.stdout
    assert "✗ ping: ping of " in refused.stdout

    failed = deployer(installed, "webhook", "add", SITE)
    assert failed.exit_code == 0
    site.push("HEAD:refs/tags/twice")
    assert installed.github.settle()
    fine = deployer(installed, "webhook", "check", SITE)
    assert fine.exit_code == 0, fine.stdout
    assert "✓ last delivery: push of " in fine.stdout
    assert "- deliveries before: 1 of 1 were refused or not answered" in fine.stdout


def test_an_unanswered_ping_and_a_failing_add(installed: Engine, site: Worktree) -> None:
    assert deployer(installed, "webhook", "add", SITE).exit_code == 0
    installed.github.drop_delivery(lambda delivery: delivery.event == "ping")
    lost = deployer(installed, "webhook", "add", SITE)
    assert lost.exit_code == 1
    assert "no answer came in ten seconds" in lost.stdout


def test_without_the_right_to_webhooks(installed: Engine, site: Worktree) -> None:
    hooks = Hooks(Wire(installed.github_url, lambda: "ghp_wrong"), FullName.parse(SITE))
    with pytest.raises(Rejected, match=r"GitHub refused the token .401.*admin:repo_hook"):
        hooks.all()
    nobodys = deployer(installed, "webhook", "check", "acme/nothing")
    assert nobodys.exit_code == 1
    assert "acme/nothing or its webhooks are not there for your token" in nobodys.stderr


# --- the doctor


def test_F95_F91_where_all_is_well_nothing_is_wrong_and_no_secret_is_told(installed: Engine, site: Worktree) -> None:
    assert deployer(installed, "webhook", "add", SITE).exit_code == 0
    done = deployer(installed, "doctor", SITE)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert not [line for line in lines if line.startswith("✗")]
    for begin in (
        *("credentials: arn:", "stacks: all 8 stand", "functions: all 6 are active", "queues: nothing waits"),
        *("rules: the sweep", "alarms: none of ", f"secret {HMAC}: there", f"secret {TOKEN}: there"),
        *(f"secret {SLACK}: there", "endpoint, signed: http", "endpoint, unsigned: it is refused"),
        *("token: GitHub knows it", "repository: acme/site can be read", "template: deploy/pipeline.json is on main"),
        *("admission: acme/site is on", "webhook: ", "webhook's URL: ", "Slack's token: opolis-deployer in local"),
    ):
        assert [line for line in lines if line.startswith(f"✓ {begin}")], begin
    assert [line for line in lines if line.startswith("- channel deployments: whether the app is in it can't be seen")]
    for name in (HMAC, TOKEN, SLACK):
        value = installed.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        assert value not in done.output


@dataclass
class Breaking:
    """What is broken, and how it is mended."""

    engine: Engine
    mending: list[Any] = field(default_factory=list)

    def client(self, service: str) -> Any:
        return self.engine.client(service)

    def secret(self, name: str, value: str | None, kind: str = "SecureString") -> None:
        """Set it, or take it away."""
        ssm = self.client("ssm")
        before = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        ssm.delete_parameter(Name=name)
        if value is not None:
            ssm.put_parameter(Name=name, Value=value, Type=kind)
        self.mending.append(lambda: ssm.put_parameter(Name=name, Value=before, Type="SecureString", Overwrite=True))

    def variables(self, function: str, **changes: str) -> None:
        """Tell a function something else."""
        client, name = self.client("lambda"), f"{PREFIX}-{function}"
        before = client.get_function_configuration(FunctionName=name)["Environment"]
        client.update_function_configuration(
            FunctionName=name, Environment={"Variables": before["Variables"] | changes}
        )
        self.mending.append(lambda: client.update_function_configuration(FunctionName=name, Environment=before))

    def mend(self) -> None:
        for each in reversed(self.mending):
            each()


@pytest.fixture(scope="module")
def broken(installed: Engine, site: Worktree) -> list[dict[str, str]]:
    """What is found where all of these are broken at once: none hides another."""
    breaking = Breaking(installed)
    functions, sqs = breaking.client("lambda"), breaking.client("sqs")
    functions.put_function_concurrency(FunctionName=f"{PREFIX}-s3cleaner", ReservedConcurrentExecutions=0)
    breaking.mending.append(lambda: functions.delete_function_concurrency(FunctionName=f"{PREFIX}-s3cleaner"))
    [mapping] = functions.list_event_source_mappings(FunctionName=f"{PREFIX}-notifier")["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    breaking.mending.append(lambda: functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True))
    dead = sqs.get_queue_url(QueueName=f"{PREFIX}-changes-dead")["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="{}")
    breaking.mending.append(lambda: sqs.purge_queue(QueueUrl=dead))
    breaking.client("cloudwatch").put_metric_data(
        Namespace="AWS/SQS",
        MetricData=[
            {
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": f"{PREFIX}-looks.fifo"}],
                "Value": 7200.0,
            }
        ],
    )
    events = breaking.client("events")
    events.disable_rule(Name=f"{PREFIX}-sweep")
    breaking.mending.append(lambda: events.enable_rule(Name=f"{PREFIX}-sweep"))
    alarms, alarm = breaking.client("cloudwatch"), f"{PREFIX}-builder-failures"
    alarms.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="x")
    breaking.mending.append(lambda: alarms.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="x"))
    breaking.secret(HMAC, None)
    breaking.secret(TOKEN, "ghp_" + "x" * 36)
    breaking.secret(SLACK, "xoxp-canary")
    breaking.variables("builder", ALLOWED_REPOSITORIES="acme/other")
    wire = Wire(installed.github_url, lambda: installed.github_token)
    hook = own_hook(installed)
    config = {"url": hook.url, "content_type": "form", "insecure_ssl": "0", "secret": "x"}
    wire.patch(f"repos/{SITE}/hooks/{hook.id}", {"config": config}).object()
    try:
        return findings(installed, SITE)
    finally:
        breaking.mend()
        assert deployer(installed, "webhook", "add", SITE).exit_code == 0


@pytest.mark.parametrize(
    ("subject", "said", "fix"),
    [
        pytest.param(f"function {PREFIX}-s3cleaner", "switched off", "delete-function-concurrency", id="function"),
        pytest.param(f"function {PREFIX}-notifier", "does not read", "update-event-source-mapping", id="mapping"),
        pytest.param(f"queue {PREFIX}-changes-dead", "1 of the changes", "deployer redrive", id="F21-dead-letter"),
        pytest.param(f"queue {PREFIX}-looks.fifo", "waits for 120 minutes", f"log of {PREFIX}-builder", id="age"),
        pytest.param(f"rule {PREFIX}-sweep", "disabled", "aws events enable-rule", id="F26-sweep"),
        pytest.param(f"alarm {PREFIX}-builder-failures", "", "docs/operations.md", id="alarm"),
        pytest.param(f"secret {HMAC}", "never set", f"deployer config set {HMAC}", id="F2-secret-missing"),
        pytest.param(f"secret {SLACK}", "no bot token", f"deployer config set {SLACK}", id="secret-malformed"),
        pytest.param("endpoint", HMAC, "mend that first", id="F2-endpoint"),
        pytest.param("token", "GitHub refused the token (401", f"deployer config set {TOKEN}", id="F42-token"),
        pytest.param("repository", "GitHub refused the token", "mend that first", id="repository"),
        pytest.param("admission", "the builder does not take acme/site, only acme/other", "", id="F17-admission"),
        pytest.param("webhook's content type", "form", "deployer webhook add acme/site", id="F95-webhook"),
        pytest.param("Slack's token", "Slack refused it", f"deployer config set {SLACK}", id="slack"),
    ],
)
def test_F95_each_broken_thing_is_named(broken: list[dict[str, str]], subject: str, said: str, fix: str) -> None:
    [found] = [each for each in broken if each["subject"] == subject and each["verdict"] == "wrong"]
    assert said in found["said"]
    assert fix in found["fix"]
    assert "canary" not in json.dumps(broken)


@pytest.mark.parametrize(
    ("arguments", "subject", "said"),
    [
        pytest.param(["acme/nothing"], "repository", "acme/nothing is not there", id="no-such-repository"),
        pytest.param([EMPTY], "template", "no deploy/pipeline.json on main", id="no-template"),
        pytest.param(
            [SITE, "--installation", "opolis-deployer-dev"],
            "stack opolis-deployer-dev-core",
            "not installed",
            id="none",
        ),
    ],
)
def test_F95_what_is_not_there_is_named(
    installed: Engine, site: Worktree, arguments: list[str], subject: str, said: str
) -> None:
    [found] = [each for each in findings(installed, *arguments) if each["subject"] == subject]
    assert found["verdict"] == "wrong"
    assert said in found["said"]


def test_a_repository_without_a_webhook_of_its_own_is_the_engines(installed: Engine, site: Worktree) -> None:
    [found] = [each for each in findings(installed, EMPTY) if each["subject"] == "webhook"]
    assert found["verdict"] == "unknown"


def test_a_secret_that_is_not_encrypted_a_function_and_a_rule_that_are_gone_and_a_silent_slack(
    installed: Engine, site: Worktree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    breaking = Breaking(installed)
    breaking.secret(TOKEN, installed.github_token, "String")
    breaking.variables("notifier", SLACK_CHANNEL="")
    events = installed.client("events")
    events.remove_targets(Rule=f"{PREFIX}-run-notices", Ids=["notices"])
    events.delete_rule(Name=f"{PREFIX}-run-notices")
    installed.client("lambda").delete_function(FunctionName=f"{PREFIX}-s3deployer")
    monkeypatch.chdir(tmp_path)
    try:
        found = {each["subject"]: each for each in findings(installed)}
    finally:
        breaking.mend()
    assert found[f"secret {TOKEN}"]["said"] == "it is not encrypted"
    assert found[f"function {PREFIX}-s3deployer"]["said"] == "it is not there"
    assert "GitHub and Slack hear of no run" in found[f"rule {PREFIX}-run-notices"]["said"]
    assert found["Slack"]["verdict"] == "right"
    assert found["repository"]["said"] == "none was named"
    assert f"secret {SLACK}" not in found
