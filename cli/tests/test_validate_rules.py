"""Each rule: a repository that breaks it, and one that keeps it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deployer_cli.validate.checks import check
from deployer_cli.validate.findings import Finding, ordered
from deployer_cli.validate.project import Project
from deployer_cli.validate.rules import RULES
from deployer_deploy.tree import Tree

EXAMPLE = Tree.here().root / "examples" / "static-site"
PIPELINE, APP = "deploy/pipeline.json", "deploy/deploy.json"
PARAMETERS, BUILDSPEC = "deploy/pipeline.parameters.json", "deploy/buildspec.yml"


@dataclass
class Repository:
    """The example, to be changed: its files, of which the JSON ones are open. Implements ``Brought``."""

    files: dict[str, Any] = field(default_factory=dict)
    kept_out: dict[str, str] = field(default_factory=dict)

    def has(self, path: str) -> bool:
        return path in self.files

    def read(self, path: str) -> bytes:
        found = self.files[path]
        return found if isinstance(found, bytes) else json.dumps(found, indent=2).encode()

    def why_not(self, path: str) -> str:
        return self.kept_out.get(path, "")

    @property
    def template(self) -> dict[str, Any]:
        return dict(self.files[PIPELINE])

    def properties(self, name: str, file: str = PIPELINE) -> dict[str, Any]:
        found: dict[str, Any] = self.files[file]["Resources"][name]["Properties"]
        return found

    def action(self, stage: int, at: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.properties("Pipeline")["Stages"][stage]["Actions"][at]
        return found

    def add(self, name: str, kind: str, file: str = PIPELINE, **properties: Any) -> None:
        self.files[file]["Resources"][name] = {"Type": kind, "Properties": properties}


def load(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and "__pycache__" not in each.parts):
        content = path.read_bytes()
        found[path.relative_to(folder).as_posix()] = json.loads(content) if path.suffix == ".json" else content
    return found


FILES = load(EXAMPLE)


def example() -> Repository:
    return Repository(copy.deepcopy(FILES))


def findings(repository: Repository) -> tuple[Finding, ...]:
    return ordered(check(Project.read(repository)))


Change = Callable[[Repository], object]


def nothing(_: Repository) -> None:
    """The example as it is."""


@dataclass(frozen=True)
class Case:
    """``broken`` breaks the rule, ``good`` keeps it, though it looks alike."""

    rule: str
    name: str
    broken: Change
    good: Change = nothing


SOURCE, BUILD, STACK, RELEASE = range(4)
SUB, REF = "Fn::Sub", "Ref"
POLL = "PollForSourceChanges"
CONNECTION = {
    "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "CodeStarSourceConnection", "Version": "1"},
    "Configuration": {
        "ConnectionArn": "arn",
        "FullRepositoryId": {SUB: "${RepoOwner}/${RepoName}"},
        "BranchName": "x",
        "DetectChanges": False,
    },
}


def parameters(**stages: Any) -> Change:
    """Another file of parameters."""

    def change(repository: Repository) -> None:
        repository.files[PARAMETERS] = stages

    return change


def given(name: str, value: Any) -> Any:
    return [{"ParameterKey": name, "ParameterValue": value}]


def declare(name: str, **declaration: Any) -> Change:
    """A parameter more in the pipeline's template."""
    return lambda it: it.files[PIPELINE]["Parameters"].__setitem__(name, declaration)


def write(path: str, content: Any) -> Change:
    return lambda it: it.files.__setitem__(path, content)


def remove(path: str) -> Change:
    return lambda it: it.files.pop(path)


def configure(stage: int, **configuration: Any) -> Change:
    """Other values in an action's configuration; None takes one away."""

    def change(repository: Repository) -> None:
        into = repository.action(stage)["Configuration"]
        into.update(configuration)
        for name in [name for name, value in into.items() if value is None]:
            del into[name]

    return change


def resource(name: str, kind: str, file: str = PIPELINE, **properties: Any) -> Change:
    return lambda it: it.add(name, kind, file, **properties)


def prop(name: str, key: str, value: Any, file: str = PIPELINE) -> Change:
    return lambda it: it.properties(name, file).__setitem__(key, value)


def both(*changes: Change) -> Change:
    return lambda it: [change(it) for change in changes]


def replace_action(stage: int, **body: Any) -> Change:
    return lambda it: it.action(stage).update(body)


def input_of(stage: int, *names: str) -> Change:
    return lambda it: it.action(stage).__setitem__("InputArtifacts", [{"Name": name} for name in names])


def output_of(stage: int, *names: str) -> Change:
    return lambda it: it.action(stage).__setitem__("OutputArtifacts", [{"Name": name} for name in names])


def made_by_the_build(**configuration: Any) -> Change:
    """The deploy action takes files out of what the build made."""
    return both(input_of(STACK, "Source", "Site"), configure(STACK, **configuration))


OWN_ROLE = both(
    resource(
        "DeployOwn",
        "AWS::IAM::Role",
        Path={SUB: "/${DeployerPrefix}/${Stage}/"},
        PermissionsBoundary={REF: "PermissionsBoundary"},
    ),
    resource("Grants", "AWS::IAM::Policy", Roles=[{REF: "DeployOwn"}]),
    configure(STACK, RoleArn={"Fn::GetAtt": ["DeployOwn", "Arn"]}),
)
RULE_TARGETS = [{"Id": "p", "Arn": {SUB: "arn:aws:codepipeline:${AWS::Region}:${AWS::AccountId}:${Pipeline}"}}]
BY_NAME = [{"Id": "p", "Arn": {SUB: "arn:aws:codepipeline:eu-central-1:1:${AWS::StackName}"}}]
ELSEWHERE = [{"Id": "q", "Arn": {SUB: "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}"}}]
BUCKET = "AWS::S3::Bucket"
CLEANER = {SUB: "arn:aws:lambda:eu-central-1:1:function:${DeployerPrefix}-s3cleaner"}
SPEC = "version: 0.2\nphases:\n  build:\n    commands: [make]\nartifacts:\n  files: ['**/*']\n"
TWO = SPEC + "  secondary-artifacts:\n    Site: {files: [a]}\n    Other: {files: [b]}\n"

CASES = [
    Case("D101", "no-template", remove(PIPELINE)),
    Case("D102", "json", write(PIPELINE, b'{"Resources": }'), write(PARAMETERS, b'{"staging": []}')),
    Case("D102", "yaml-parameters", both(remove(PARAMETERS), write("deploy/pipeline.parameters.yml", b"staging: [1"))),
    Case("D102", "app", write(APP, b"{")),
    Case("D102", "not-utf-8", write(PIPELINE, b"\xff")),
    Case(
        "D103",
        "alias",
        both(remove(PIPELINE), write("deploy/pipeline.yaml", b"A: &a {}\nResources: {B: *a}\n")),
        both(remove(PIPELINE), write("deploy/pipeline.yaml", b"Resources: {}\n")),
    ),
    Case("D104", "no-resources", write(PIPELINE, {"Outputs": {}})),
    Case("D104", "a-list", write(PIPELINE, b"[]")),
    Case("D104", "parameters", write(PIPELINE, {"Resources": {}, "Parameters": {"A": 1}})),
    Case("D104", "app", write(APP, {"Outputs": {}})),
    Case("D105", "F54-over-1-MB", write(PIPELINE, b" " * (1024 * 1024 + 1))),
    Case("D106", "two-templates", write("deploy/pipeline.yaml", b"Resources: {}")),
    Case(
        "D107",
        "F22-a-link",
        both(remove(PIPELINE), lambda it: it.kept_out.update({PIPELINE: "it is no plain file"})),
    ),
    Case("D201", "unknown-stage", parameters(prod=[]), parameters(production=[])),
    Case(
        "D201",
        "no-texts-as-names",
        both(remove(PARAMETERS), write("deploy/pipeline.parameters.yaml", b"1: []\non: []\nx: []\n")),
    ),
    Case("D201", "no-list", parameters(staging={})),
    Case("D201", "no-value", parameters(staging=[{"ParameterKey": "BuildTimeout"}])),
    Case("D201", "value-of-a-kind", parameters(staging=given("BuildTimeout", ["5"]))),
    Case("D201", "another-key", parameters(staging=[{**given("BuildTimeout", "5")[0], "Value": 1}])),
    Case("D202", "F53-reserved", parameters(staging=given("Stage", "x"))),
    Case("D203", "undeclared", parameters(staging=given("Colour", "red"))),
    Case(
        "D204",
        "missing",
        declare("Domain", Type="String"),
        both(
            declare("Domain", Type="String"),
            parameters(**dict.fromkeys(("development", "staging", "production"), given("Domain", "x"))),
        ),
    ),
    Case(
        "D204",
        "in-a-file-that-can-not-be-read",
        declare("Domain", Type="String"),
        both(declare("Domain", Type="String"), write(PARAMETERS, b"{")),
    ),
    Case("D204", "missing-in-one", both(declare("Domain", Type="String"), parameters(staging=given("Domain", "x")))),
    Case("D205", "twice", parameters(staging=given("BuildTimeout", "5") * 2)),
    Case("D206", "F92-for-all-to-see", declare("RepoToken", Type="String"), declare("RepoToken", NoEcho=True)),
    Case(
        "D207",
        "no-number",
        parameters(staging=given("BuildTimeout", "ten")),
        parameters(staging=given("BuildTimeout", 7)),
    ),
    Case(
        "D207",
        "out-of-range",
        both(
            declare("BuildTimeout", Type="Number", MaxValue=9, Default=1),
            parameters(staging=given("BuildTimeout", "10")),
        ),
    ),
    Case(
        "D207",
        "pattern",
        both(declare("A", AllowedPattern="[a-z]+", Default="a"), parameters(staging=given("A", "1"))),
        both(declare("A", AllowedPattern="[a-z", MinLength="x", Default="a"), parameters(staging=given("A", "1"))),
    ),
    Case("D207", "length", both(declare("A", MaxLength=2, Default="a"), parameters(staging=given("A", "abc")))),
    Case("D207", "stage", declare("Stage", Type="String", AllowedValues=["development", "production"])),
    Case("D301", "F59-polls", configure(SOURCE, **{POLL: None}), configure(SOURCE, **{POLL: "false"})),
    Case("D301", "F59-triggers", prop("Pipeline", "Triggers", [{}])),
    Case(
        "D301",
        "F59-connection",
        replace_action(
            SOURCE, **{**CONNECTION, "Configuration": {**CONNECTION["Configuration"], "DetectChanges": True}}
        ),
        replace_action(SOURCE, **CONNECTION),
    ),
    Case(
        "D302",
        "F59-rule",
        resource("Rule", "AWS::Events::Rule", EventPattern={}, Targets=RULE_TARGETS),
        resource("Rule", "AWS::Events::Rule", EventPattern={}, Targets=ELSEWHERE),
    ),
    Case(
        "D302",
        "F59-rule-by-name",
        resource("Rule", "AWS::Events::Rule", EventPattern={}, Targets=BY_NAME),
        resource("Rule", "AWS::Events::Rule", ScheduleExpression="rate(1 day)", Targets=RULE_TARGETS),
    ),
    Case(
        "D302",
        "F59-webhook",
        resource("Hook", "AWS::CodePipeline::Webhook"),
        lambda it: it.files[PIPELINE]["Resources"].update(Waits={"Type": "AWS::CloudFormation::WaitConditionHandle"}),
    ),
    Case(
        "D303",
        "another-key",
        configure(SOURCE, S3ObjectKey="fixed.zip"),
        both(
            declare("RepoOwner", Type="String"),
            declare("RepoName", Type="String"),
            replace_action(SOURCE, **CONNECTION),
        ),
    ),
    Case(
        "D401",
        "no-cleaner",
        lambda it: (
            it.files[PIPELINE]["Resources"].pop("AppStack"),
            it.files[PIPELINE]["Resources"]["Pipeline"].pop("DependsOn"),
        ),
    ),
    Case("D401", "another-stacks", prop("AppStack", "StackName", {SUB: "${AWS::StackName}-web"})),
    Case("D402", "order", lambda it: it.files[PIPELINE]["Resources"]["Pipeline"].pop("DependsOn")),
    Case(
        "D403",
        "order-of-roles",
        OWN_ROLE,
        both(
            OWN_ROLE, lambda it: it.files[PIPELINE]["Resources"]["AppStack"].update(DependsOn=["DeployOwn", "Grants"])
        ),
    ),
    Case(
        "D403",
        "order-of-policies",
        both(OWN_ROLE, lambda it: it.files[PIPELINE]["Resources"]["AppStack"].update(DependsOn="DeployOwn")),
    ),
    Case(
        "D404",
        "that-nobody-can-tell",
        configure(STACK, StackName="app"),
        configure(STACK, StackName={"Fn::ImportValue": "name"}),
    ),
    Case("D404", "fixed", configure(STACK, StackName="app")),
    Case("D404", "by-branch", configure(STACK, StackName={SUB: "app-${RepoBranch}"})),
    Case(
        "D405",
        "in-the-app",
        lambda it: it.files[APP]["Resources"].pop("EmptyBucket"),
        lambda it: (
            it.files[APP]["Resources"].pop("EmptyBucket"),
            it.files[APP]["Resources"]["Bucket"].update(DeletionPolicy="Retain"),
        ),
    ),
    Case(
        "D405",
        "in-the-pipeline",
        resource("Reports", BUCKET),
        both(
            resource("Reports", BUCKET),
            resource("Empty", "Custom::S3Cleaner", ServiceToken=CLEANER, BucketName={REF: "Reports"}),
        ),
    ),
    Case(
        "D406",
        "bucket",
        prop("Bucket", "BucketName", "acme-site", APP),
        prop("Bucket", "BucketName", {SUB: "${AWS::StackName}-site"}, APP),
    ),
    Case("D406", "by-stage", prop("BuildProject", "Name", {SUB: "site-${Stage}-build"})),
    Case(
        "D406",
        "by-a-parameter",
        both(declare("Name", Default="x"), prop("BuildLog", "LogGroupName", {"Fn::Join": ["/", ["a", {REF: "Name"}]]})),
        prop("BuildLog", "LogGroupName", {"Fn::Join": ["/", ["a", {REF: "AWS::StackName"}]]}),
    ),
    Case(
        "D406",
        "export",
        lambda it: it.files[APP]["Outputs"]["Url"].update(Export={"Name": "site-url"}),
        lambda it: it.files[APP]["Outputs"]["Url"].update(Export={"Name": {SUB: "${AWS::StackName}-url"}}),
    ),
    Case(
        "D407",
        "token",
        prop(
            "EmptyBucket", "ServiceToken", "arn:aws:lambda:eu-central-1:1:function:opolis-deployer-prod-s3cleaner", APP
        ),
    ),
    Case("D407", "cleaner", prop("AppStack", "ServiceToken", "arn:aws:lambda:eu-central-1:1:function:x-stack-cleaner")),
    Case(
        "D407",
        "action",
        configure(RELEASE, FunctionName="opolis-deployer-prod-s3deployer"),
        configure(RELEASE, FunctionName="mine"),
    ),
    Case("D501", "no-boundary", lambda it: it.properties("BuildRole").pop("PermissionsBoundary")),
    Case("D501", "another", prop("BuildRole", "PermissionsBoundary", "arn:aws:iam::1:policy/mine")),
    Case("D501", "in-the-app", resource("Role", "AWS::IAM::Role", APP)),
    Case("D502", "no-path", lambda it: it.properties("BuildRole").pop("Path")),
    Case("D502", "another-path", prop("BuildRole", "Path", {SUB: "/${Stage}/"})),
    Case("D502", "policy", resource("Policy", "AWS::IAM::ManagedPolicy"), resource("Policy", "AWS::IAM::Policy")),
    Case("D503", "user", resource("User", "AWS::IAM::User")),
    Case("D601", "nobody-makes-it", input_of(BUILD, "Sources")),
    Case(
        "D601",
        "made-later",
        both(output_of(SOURCE, "Source"), input_of(BUILD, "Source", "Outputs")),
        input_of(RELEASE, "Site", "Outputs", "Source"),
    ),
    Case(
        "D602",
        "unused",
        output_of(SOURCE, "Source", "More"),
        both(output_of(SOURCE, "Source", "More"), input_of(BUILD, "Source", "More")),
    ),
    Case("D603", "twice", output_of(STACK, "Site")),
    Case("D604", "no-path", configure(STACK, TemplatePath="deploy/deploy.json")),
    Case(
        "D604",
        "no-input",
        configure(STACK, TemplatePath="Site::deploy/deploy.json"),
        configure(STACK, TemplatePath="Source::deploy/deploy.json"),
    ),
    Case("D605", "template", remove(APP)),
    Case("D605", "configuration-of-a-stage", remove("deploy/production.json")),
    Case("D605", "ignored", both(remove(APP), lambda it: it.kept_out.update({APP: "Git ignores it"}))),
    Case(
        "D605", "that-a-build-makes", remove(APP), both(remove(APP), made_by_the_build(TemplatePath="Site::app.json"))
    ),
    Case(
        "D605",
        "that-nobody-can-tell",
        remove(APP),
        both(remove(APP), configure(STACK, TemplatePath={"Fn::ImportValue": "path"})),
    ),
    Case(
        "D606",
        "missing",
        configure(STACK, ParameterOverrides=None),
        lambda it: it.files[APP]["Parameters"]["DeployerPrefix"].update(Default="x"),
    ),
    Case("D607", "undeclared", configure(STACK, ParameterOverrides='{"DeployerPrefix": "x", "Colour": "red"}')),
    Case(
        "D607", "undeclared-in-the-file", lambda it: it.files["deploy/staging.json"]["Parameters"].update(Colour="red")
    ),
    Case("D608", "no-json", configure(STACK, ParameterOverrides="DeployerPrefix=x")),
    Case(
        "D608",
        "that-nobody-can-tell",
        configure(STACK, ParameterOverrides="x"),
        configure(STACK, ParameterOverrides={"Fn::ImportValue": "overrides"}),
    ),
    Case("D608", "a-list", configure(STACK, ParameterOverrides="[]")),
    Case("D608", "long", configure(STACK, ParameterOverrides=json.dumps({"DeployerPrefix": "x" * 1024}))),
    Case("D608", "configuration-key", lambda it: it.files["deploy/staging.json"].update(Params={})),
    Case("D608", "configuration-list", write("deploy/staging.json", b"[]")),
    Case("D701", "no-buildspec", remove(BUILDSPEC)),
    *(
        Case("D701", name, remove(BUILDSPEC), both(remove(BUILDSPEC), good))
        for name, good in {
            "of-another-project": configure(BUILD, ProjectName="elsewhere"),
            "of-a-project-by-name": both(
                configure(BUILD, ProjectName={SUB: "${AWS::StackName}-build"}), write(BUILDSPEC, SPEC.encode())
            ),
            "of-a-bucket": prop("BuildProject", "Source", {"BuildSpec": "arn:aws:s3:::bucket/buildspec.yml"}),
            "that-nobody-can-tell": prop("BuildProject", "Source", {"BuildSpec": {"Fn::ImportValue": "spec"}}),
            "without-a-source": prop("BuildProject", "Source", "odd"),
            "out-of-a-build": input_of(BUILD, "Elsewhere"),
        }.items()
    ),
    Case(
        "D701",
        "the-default",
        lambda it: it.properties("BuildProject")["Source"].pop("BuildSpec"),
        both(
            lambda it: it.properties("BuildProject")["Source"].pop("BuildSpec"), write("buildspec.yml", SPEC.encode())
        ),
    ),
    Case("D701", "ignored", both(remove(BUILDSPEC), lambda it: it.kept_out.update({BUILDSPEC: "Git ignores it"}))),
    Case(
        "D702",
        "version",
        write(BUILDSPEC, SPEC.replace("0.2", "0.1").encode()),
        write(BUILDSPEC, SPEC.replace("0.2", "'0.2'").encode()),
    ),
    Case("D702", "phase", write(BUILDSPEC, SPEC.replace("build:", "built:").encode())),
    Case("D702", "syntax", write(BUILDSPEC, b"version: 0.2\nphases: [")),
    Case("D702", "not-utf-8", write(BUILDSPEC, b"\xff")),
    Case("D702", "command", write(BUILDSPEC, SPEC.replace("[make]", "[a: b]").encode())),
    Case("D702", "no-phases", write(BUILDSPEC, b"version: 0.2\n")),
    Case(
        "D702",
        "inline",
        lambda it: it.properties("BuildProject")["Source"].update(BuildSpec="version: 0.1\nphases: {}\n"),
        lambda it: it.properties("BuildProject")["Source"].update(BuildSpec=SPEC),
    ),
    Case(
        "D703",
        "no-artifacts",
        write(BUILDSPEC, SPEC.partition("artifacts")[0].encode()),
        write(BUILDSPEC, SPEC.encode()),
    ),
    Case(
        "D703",
        "no-secondary",
        output_of(BUILD, "Site", "Other"),
        both(output_of(BUILD, "Site", "Other"), write(BUILDSPEC, TWO.encode())),
    ),
    Case(
        "D703",
        "nothing-to-hand-on",
        write(BUILDSPEC, SPEC.partition("artifacts")[0].encode()),
        both(write(BUILDSPEC, SPEC.partition("artifacts")[0].encode()), output_of(BUILD)),
    ),
    Case("D703", "no-output", write(BUILDSPEC, TWO.encode())),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.name}")
def test_a_broken_repository_is_found_and_a_good_one_is_not(case: Case) -> None:
    broken, good = example(), example()
    case.broken(broken)
    case.good(good)
    assert case.rule in [finding.rule for finding in findings(broken)]
    assert case.rule not in [finding.rule for finding in findings(good)]


ODD: list[Any] = [None, 5, [], {}, "x", [1], {"a": 1}, {"Ref": 5}, True, {"Fn::Sub": []}, [{}]]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, but for its root."""
    for step in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, step)
        yield from places(value[step], (*path, step))


@pytest.mark.parametrize("file", [PIPELINE, APP, PARAMETERS, "deploy/staging.json"])
def test_whatever_is_written_somewhere_the_checks_come_to_their_end(file: str) -> None:
    for number, path in enumerate(places(FILES[file])):
        repository = example()
        into = repository.files[file]
        for step in path[:-1]:
            into = into[step]
        into[path[-1]] = ODD[number % len(ODD)]
        assert all(finding.message for finding in findings(repository)), path


def test_every_rule_has_its_case() -> None:
    assert {case.rule for case in CASES} == RULES.keys()


def test_the_page_has_every_rule_in_the_words_of_the_code() -> None:
    page = (Tree.here().root / "docs" / "validate.md").read_text(encoding="utf-8")
    rows = [
        tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in page.splitlines() if line.startswith("| D")
    ]
    assert rows == [(rule.id, str(rule.severity), rule.later, rule.fix) for rule in RULES.values()]
