"""A function sees the standard library, its layers, its zip and its variables; nothing of the engine."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from deployer_local.aws import workers

IMPORTER = """
import importlib
def handler(event, context):
    try:
        return importlib.import_module(event).__name__
    except ImportError as error:
        return f"{type(error).__name__}: {error}"
"""


@pytest.mark.parametrize("module", ["starlette", "ministack", "boto3", "pytest", "deployer_local", "site_packages"])
def test_what_only_the_virtual_environment_has_cannot_be_imported(aws: Any, module: str) -> None:
    """Strict: a function that imports what it did not bring."""
    assert module == "site_packages" or importlib.util.find_spec(module) is not None

    assert aws.invoke(aws.function(IMPORTER), module) == f"ModuleNotFoundError: No module named '{module}'"


def test_the_standard_library_the_layer_and_the_zip_can_be_imported(
    aws: Any, zipped: Callable[[dict[str, str]], bytes]
) -> None:
    layer = aws.client("lambda").publish_layer_version(
        LayerName=aws.unique("layer"), Content={"ZipFile": zipped({"python/in_layer/__init__.py": "WORD = 'layer'"})}
    )["LayerVersionArn"]
    function = aws.function(
        "import decimal, in_layer\n"
        "def handler(event, context):\n    return [decimal.__name__, in_layer.WORD, __name__]",
        Layers=[layer],
    )

    assert aws.invoke(function) == ["decimal", "layer", "code"]


def test_the_environment_is_lambdas_and_the_functions_own(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strict: a function that sees the variables of this machine."""
    monkeypatch.setenv("SECRET_OF_THE_LAPTOP", "canary")
    function = aws.function(
        "import os\ndef handler(event, context):\n    return dict(os.environ)",
        Environment={"Variables": {"OWN": "value"}},
        MemorySize=256,
    )

    seen = aws.invoke(function)

    assert seen["OWN"] == "value"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == function
    assert seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert seen["AWS_ENDPOINT_URL"] == aws.engine.aws_url
    assert "canary" not in json.dumps(seen)
    assert not {"HOME", "VIRTUAL_ENV", "GATEWAY_PORT", "STATE_DIR", "PYTHONPATH"} & seen.keys()


def test_a_module_that_does_not_import_is_named(aws: Any) -> None:
    answer = aws.invoke(aws.function("import starlette"))

    assert answer["errorMessage"] == "Unable to import module 'code': No module named 'starlette'"


def test_what_a_function_prints_is_its_log_and_not_its_answer(aws: Any) -> None:
    function = aws.function(
        "import os\ndef handler(event, context):\n    print('{\"status\": \"ok\"}')\n    os.write(1, b'raw\\n')\n"
        "    return 'answer'"
    )

    assert aws.invoke(function) == "answer"
    messages = [
        event["message"]
        for event in aws.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    ]
    assert any("raw" in message for message in messages)


def test_a_function_that_turns_its_log_off_still_answers(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark that ends its log goes where the log goes."""
    monkeypatch.setattr(workers, "LOG_SECONDS", 0.1)
    function = aws.function(
        "import os\ndef handler(event, context):\n    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)\n    return event"
    )

    assert [aws.invoke(function, event) for event in ("first", "second")] == ["first", "second"]


def test_a_log_that_never_ends_is_read_no_longer_than_it_may_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child of the function that goes on writing must not keep the answer back."""
    monkeypatch.setattr(workers, "LOG_SECONDS", 0.01)

    def another(timeout: float) -> str:
        assert 0 < timeout <= workers.LOG_SECONDS, "its time is over"
        return "line"

    endless = SimpleNamespace(get=another)

    log = workers._log_of_invocation(SimpleNamespace(_stderr_queue=endless))

    assert set(log.splitlines()) <= {"line"}


def test_an_exception_is_the_answer_and_the_next_event_is_served(aws: Any) -> None:
    function = aws.function("def handler(event, context):\n    return 1 / event")

    assert "ZeroDivisionError" in aws.invoke(function, 0)["errorMessage"]
    assert aws.invoke(function, 1) == 1.0


def test_a_function_that_hangs_is_cut_at_its_timeout(aws: Any) -> None:
    function = aws.function("import time\ndef handler(event, context):\n    time.sleep(event)", Timeout=1)

    assert "timed out after 1" in aws.invoke(function, 60)["errorMessage"]


def test_a_runtime_that_is_not_python_is_refused(aws: Any, zipped: Callable[[dict[str, str]], bytes]) -> None:
    name = aws.unique("f")
    aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="nodejs22.x",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="index.handler",
        Code={"ZipFile": zipped({"index.js": ""})},
    )

    assert "only Python functions" in aws.invoke(name)["errorMessage"]
