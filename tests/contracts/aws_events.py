"""The events of AWS that this project reads, as JSON schemas (draft 2020-12) written from AWS's pages.

One closed schema for each documented kind: a member that its page does not show is a fault. ``faults`` holds an event
of the bus to them; whatever comes from CodePipeline or CloudFormation has to be one of the kinds, any other event just
has EventBridge's envelope.

The examples on AWS's pages are in ``tests/data/aws-events.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

Schema = dict[str, Any]
Event = Mapping[str, Any]

EVENTBRIDGE = "https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html"
CODEPIPELINE = "https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html"
SCHEDULED = "https://docs.aws.amazon.com/eventbridge/latest/userguide/event-reference.html"
CLOUDFORMATION = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/event-detail-stack-status-change.html"

RUN_STATES = ["CANCELED", "FAILED", "RESUMED", "STARTED", "STOPPED", "STOPPING", "SUCCEEDED", "SUPERSEDED"]
STAGE_STATES = ["CANCELED", "FAILED", "RESUMED", "STARTED", "STOPPED", "STOPPING", "SUCCEEDED"]
ACTION_STATES = ["ABANDONED", "CANCELED", "FAILED", "STARTED", "SUCCEEDED"]
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
STACK_STATUSES = [
    *("CREATE_COMPLETE", "CREATE_IN_PROGRESS", "CREATE_FAILED"),
    *("DELETE_COMPLETE", "DELETE_FAILED", "DELETE_IN_PROGRESS"),
    *("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "ROLLBACK_IN_PROGRESS"),
    *("UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_FAILED", "UPDATE_IN_PROGRESS"),
    *("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"),
    *("UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS"),
    *("IMPORT_IN_PROGRESS", "IMPORT_COMPLETE"),
    *("IMPORT_ROLLBACK_IN_PROGRESS", "IMPORT_ROLLBACK_FAILED", "IMPORT_ROLLBACK_COMPLETE"),
]

TEXT: Schema = {"type": "string", "minLength": 1}
UUID: Schema = {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"}
NAME: Schema = {"type": "string", "pattern": r"^[A-Za-z0-9.@\-_]{1,100}$"}
MOMENT: Schema = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"}
STACK_ARN: Schema = {
    "type": "string",
    # The id after the name is in every stack's ARN, only the page's example leaves it out.
    "pattern": (
        "^arn:aws[a-z-]*:cloudformation:[a-z]{2,}(-[a-z]+)+-[0-9]+:[0-9]{12}"
        ":stack/[A-Za-z][A-Za-z0-9-]{0,127}(/[A-Za-z0-9-]+)?$"
    ),
}


def closed(required: Schema, optional: Schema | None = None, **more: Any) -> Schema:
    """An object with these members and no others."""
    properties = {**required, **(optional or {})}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    } | more


def array(item: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": item, **more}


def envelope(page: str, source: Schema, detail_type: Schema, detail: Schema, resources: Schema) -> Schema:
    """EventBridge's envelope around one kind of detail."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": page,
        **closed(
            {
                "version": {"const": "0"},
                "id": {"type": "string", "pattern": "^[0-9A-Za-z-]+$"},
                "detail-type": detail_type,
                "source": source,
                "account": {"type": "string", "pattern": "^[0-9]{12}$"},
                "time": {
                    "type": "string",
                    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
                },
                "region": {"type": "string", "pattern": "^[a-z]{2,}(-[a-z]+)+-[0-9]+$"},
                "resources": resources,
                "detail": detail,
            }
        ),
    }


ANY = envelope(EVENTBRIDGE, TEXT, TEXT, {"type": "object"}, array({"type": "string"}))

# A run's or a stage's numbers arrive as floats. A stage counts its attempts from 0 on the page, too.
_RUN: Schema = {
    "pipeline": NAME,
    "execution-id": UUID,
    "version": {"type": "number", "minimum": 1},
    "pipeline-execution-attempt": {"type": "number", "minimum": 0},
}
# Missing in the examples of a resumed stage and of an abandoned action.
_STARTED: Schema = {"start-time": MOMENT}
_TRIGGER: Schema = {
    "oneOf": [
        closed({"trigger-type": TEXT, "trigger-detail": {"type": "string"}}),
        closed(
            {
                "full-repository-name": TEXT,
                "provider-type": TEXT,
                "commit-id": TEXT,
                "commit-message": {"type": "string"},
                "connection-arn": TEXT,
                "author-id": {"type": "string"},
                "author-date": TEXT,
                "author-display-name": {"type": "string"},
                "author-email": {"type": "string"},
            },
            {"tag-name": TEXT, "branch-name": TEXT},
        ),
    ]
}
_ARTIFACTS = array(closed({"name": NAME, "s3location": closed({"bucket": TEXT, "key": TEXT})}), minItems=1)
_RESULT = closed(
    {},
    {
        "external-execution-url": TEXT,
        "external-execution-summary": TEXT,
        "external-execution-id": TEXT,
        "error-code": {"type": "string", "pattern": "^[A-Za-z]+$"},
    },
    minProperties=1,
)
_TYPE = closed(
    {
        "owner": {"enum": ["AWS", "ThirdParty", "Custom"]},
        "provider": TEXT,
        "category": {"enum": ["Source", "Build", "Deploy", "Test", "Invoke", "Approval", "Compute"]},
        "version": {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,9}$"},
    }
)


def _of_pipeline(kind: str, detail: Schema) -> Schema:
    arn = {
        "type": "string",
        "pattern": r"^arn:aws[a-z-]*:codepipeline:[a-z]{2,}(-[a-z]+)+-[0-9]+:[0-9]{12}:[A-Za-z0-9.@\-_]{1,100}$",
    }
    source, name = {"const": "aws.codepipeline"}, {"const": f"CodePipeline {kind} Execution State Change"}
    return envelope(CODEPIPELINE, source, name, detail, array(arn, minItems=1, maxItems=1))


RUN = _of_pipeline(
    "Pipeline",
    closed(
        {**_RUN, "state": {"enum": RUN_STATES}},
        {**_STARTED, "execution-trigger": _TRIGGER, "stop-execution-comments": {"type": "string"}},
    ),
)
STAGE = _of_pipeline(
    "Stage",
    closed(
        {**_RUN, "stage": NAME, "state": {"enum": STAGE_STATES}},
        {**_STARTED, "stage-last-retry-attempt-time": MOMENT},
    ),
)
ACTION = _of_pipeline(
    "Action",
    closed(
        {
            **_RUN,
            "stage": NAME,
            "action": NAME,
            "action-execution-id": UUID,
            "state": {"enum": ACTION_STATES},
            "type": _TYPE,
        },
        {
            **_STARTED,
            "region": TEXT,
            "execution-result": _RESULT,
            "input-artifacts": _ARTIFACTS,
            "output-artifacts": _ARTIFACTS,
        },
    ),
)
STACK = envelope(
    CLOUDFORMATION,
    {"const": "aws.cloudformation"},
    {"const": "CloudFormation Stack Status Change"},
    closed(
        {
            "stack-id": STACK_ARN,
            "status-details": closed({"status": {"enum": STACK_STATUSES}, "status-reason": {"type": "string"}}),
            "client-request-token": {"type": "string", "pattern": "^([A-Za-z0-9][A-Za-z0-9-]{0,127})?$"},
        }
    ),
    array(STACK_ARN, minItems=1, maxItems=1),
)
TICK = envelope(
    SCHEDULED,
    {"const": "aws.events"},
    {"const": "Scheduled Event"},
    closed({}),
    array(
        {
            "type": "string",
            # Of the default bus, since no other has schedules.
            "pattern": r"^arn:aws[a-z-]*:events:[a-z]{2,}(-[a-z]+)+-[0-9]+:[0-9]{12}:rule/[A-Za-z0-9._-]{1,64}$",
        },
        minItems=1,
        maxItems=1,
    ),
)
KINDS: dict[str, Schema] = {
    schema["properties"]["detail-type"]["const"]: schema for schema in (RUN, STAGE, ACTION, STACK, TICK)
}
"""Detail type -> schema."""
SOURCES = {schema["properties"]["source"]["const"] for schema in KINDS.values()}


def _pattern(_validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    """As in JSON schema, where `$` is the end: Python's also stands before a last line end."""
    if isinstance(value, str) and not re.search(pattern.replace("$", r"\Z"), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


_Validator = extend(Draft202012Validator, {"pattern": _pattern})


def faults(event: Event) -> list[str]:
    """Everything in an event of the bus that its page does not allow; empty for a documented one."""
    kind = str(event.get("detail-type"))
    schema = KINDS.get(kind, ANY) if event.get("source") in SOURCES or kind in KINDS else ANY
    found = [f"{error.json_path}: {error.message}" for error in _Validator(schema).iter_errors(event)]
    if event.get("source") in SOURCES and kind not in KINDS:
        found.append(f"$: {event['source']} documents no {kind!r}")
    return found


def check(events: Iterable[Event]) -> None:
    """Fail where an event that passed a bus is not as AWS documents it."""
    wrong = {json.dumps(event, sort_keys=True): found for event in events if (found := faults(event))}
    assert not wrong, f"{len(wrong)} events that AWS does not send, the first: {next(iter(wrong.items()))}"


def around(kind: str, detail: Mapping[str, Any], resources: list[str]) -> Event:
    """An event of CodePipeline (``kind``: Pipeline, Stage, Action) that no bus has put into its envelope yet."""
    _, _, _, region, account, *_ = resources[0].split(":")
    about = {"version": "0", "id": "0", "time": "2026-11-23T09:00:00Z", "region": region, "account": account}
    about |= {"source": "aws.codepipeline", "detail-type": f"CodePipeline {kind} Execution State Change"}
    return {**about, "resources": resources, "detail": detail}


def examples() -> dict[str, Event]:
    """The examples on AWS's pages, by name."""
    kept = json.loads((Path(__file__).parents[1] / "data" / "aws-events.json").read_text(encoding="utf-8"))
    return {example["name"]: example["event"] for example in kept}
