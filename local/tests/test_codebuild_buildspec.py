"""buildspec 0.2: what is read, what is refused and on which line, what is only remarked on."""

from __future__ import annotations

import pytest

from deployer_local.codebuild.buildspec import BuildspecError, OnFailure, parse

FULL = """\
version: 0.2
env:
  shell: bash
  variables:
    NUMBER: 1
    FLAG: true
  parameter-store:
    TOKEN: my.token
  exported-variables: [NUMBER]
phases:
  install:
    runtime-versions:
      nodejs: 20
    commands: echo one
  build:
    on-failure: ABORT
    commands:
      - npm ci
      - |
        if true; then
          echo two
        fi
    finally:
      - echo done
artifacts:
  files: ['**/*']
  base-directory: dist
  exclude-paths: ['*.map']
  discard-paths: yes
cache:
  paths: [node_modules]
"""


def test_everything_is_read() -> None:
    spec = parse(FULL)
    assert spec.shell == "bash"
    assert dict(spec.variables) == {"NUMBER": "1", "FLAG": "true"}
    assert dict(spec.parameter_store) == {"TOKEN": "my.token"}
    assert spec.exported == ("NUMBER",)
    install, build = spec.phases
    assert install.commands == ("echo one",)
    assert build.commands == ("npm ci", "if true; then\n  echo two\nfi\n")
    assert build.finally_commands == ("echo done",)
    assert build.on_failure is OnFailure.ABORT
    assert spec.artifacts is not None
    assert (spec.artifacts.files, spec.artifacts.base_directory) == (("**/*",), "dist")
    assert (spec.artifacts.exclude_paths, spec.artifacts.discard_paths) == (("*.map",), True)
    assert spec.remarks == (
        "buildspec line 30: cache is not honoured by this engine",
        "buildspec line 12: phases.install.runtime-versions is not honoured by this engine",
    )


def test_json_is_read_too() -> None:
    assert parse('{"version": "0.2", "phases": {"build": {"commands": ["true"]}}}').phases[0].commands == ("true",)


def test_what_is_left_empty_is_nothing() -> None:
    spec = parse("version: 0.2\nenv: {variables: }\nphases: {build: {commands: }}\n")
    assert (dict(spec.variables), spec.phases[0].commands) == ({}, ())


def test_a_git_credential_helper_is_remarked_on() -> None:
    spec = parse("version: 0.2\nenv:\n  git-credential-helper: yes\nphases: {build: {}}")
    assert spec.remarks == ("buildspec line 3: env.git-credential-helper is not honoured by this engine",)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        pytest.param("", 1, "found nothing", id="empty"),
        pytest.param("version: 0.2\nphases: [", 2, "expected YAML", id="not-yaml"),
        pytest.param("phases: {build: {commands: [x]}}", 1, "expected version: 0.2", id="no-version"),
        pytest.param("version: 0.1\nphases: {}", 1, "found 0.1", id="old-version"),
        pytest.param("version: 0.2\n", 1, "expected phases", id="no-phases"),
        pytest.param("version: 0.2\nphases:\n  compile: {}", 3, "one of build, install", id="unknown-phase"),
        pytest.param("version: 0.2\nphases:\n  build:\n    commands:\n      - echo a: b", 5, "quote", id="colon"),
        pytest.param("version: 0.2\nphases:\n  build:\n    on-failure: RETRY", 4, "found RETRY", id="on-failure"),
        pytest.param("version: 0.2\nenv:\n  shell: powershell\nphases: {build: {}}", 3, "bash or /bin/sh", id="shell"),
        pytest.param(
            "version: 0.2\nphases: {build: {}}\nartifacts:\n  files: x\n  secondary-artifacts:\n    a: {files: y}",
            5,
            "one output artifact only",
            id="secondary",
        ),
        pytest.param("version: 0.2\nphases: {build: {}}\nartifacts: {name: x}", 3, "expected files", id="no-files"),
        pytest.param("version: 0.2\nversion: 0.2\nphases: {build: {}}", 2, "each key once", id="twice"),
        pytest.param("version: 0.2\nphases: {}", 2, "at least one of install, pre_build", id="no-phase"),
        pytest.param("version: 0.2\nphases: now", 2, "phases: expected a mapping, found 'now'", id="word-for-phases"),
        pytest.param("version: 0.2\nphases: [build]", 2, "expected a mapping, found a list", id="list-for-phases"),
        pytest.param(
            "version: 0.2\nphases:\n  build:\n    commands: {echo: x}",
            4,
            "a list of strings, found a mapping",
            id="map",
        ),
        pytest.param(
            "version: 0.2\nphases: {build: {}}\nartifacts:\n  files: x\n  discard-paths: maybe",
            5,
            "yes or no, found maybe",
            id="flag",
        ),
        pytest.param(
            "version: 0.2\nenv:\n  secrets-manager:\n    A: b\nphases: {build: {}}", 3, "Secrets Manager", id="secrets"
        ),
    ],
)
def test_wrong_specs_name_line_and_expectation(text: str, line: int, expected: str) -> None:
    with pytest.raises(BuildspecError) as caught:
        parse(text)
    assert str(caught.value).startswith(f"line {line}: ")
    assert expected in str(caught.value)
