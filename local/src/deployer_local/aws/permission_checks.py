"""What IAM is asked before an AWS request is answered: actions, the resource of each, the condition keys.

ministack knows the actions and resources of S3 and DynamoDB, and the tags of a request; this adds what it lacks of the
other services whose requests are held to policies. It decides nothing.
Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from . import emulator
from .call_log import action_of

CHECKED = ("cloudformation", "cloudfront", "codebuild", "codepipeline", "dynamodb", "logs", "s3", "sqs", "ssm")
"""The services that are checked, by ministack's names for them; no other is."""

POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
"""What a function's role has to allow for a queue to call it.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions
"""
LOGGING = ("logs:CreateLogStream", "logs:PutLogEvents")
"""What it has to allow for the function to have a log, whose group is there.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
"""

# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodepipeline.html: no resource type.
_JOBS = frozenset({"PutJobSuccessResult", "PutJobFailureResult"})
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html: on a stream, all
# others on a group.
_OF_A_STREAM = frozenset({"DeleteLogStream", "GetLogEvents", "PutLogEvents"})
# Take a stack, or none and then mean all:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html
_WITHOUT_A_STACK = frozenset({"DescribeStackResources", "DescribeStacks", "ListStacks"})
# What the account's own key of Parameter Store is called; whoever may read the parameter may use it.
# https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
_AWS_KEY = "alias/aws/ssm"
# In a bucket's settings, as S3 takes and gives them.
_KEY = re.compile(r"<KMSMasterKeyID>([^<]+)</")


@dataclass(frozen=True)
class Request:
    """One HTTP request. `headers`: lower-case names. `query`: with the parameters of a form in the body."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, Any]

    @property
    def operation(self) -> str:
        """`UpdateStack`; what no header or parameter names is `METHOD /path`."""
        return action_of(self.method, self.path, self.headers, self.body, self.query)

    def parameter(self, name: str) -> str:
        """One parameter of the query protocol; empty where it is not given."""
        value = self.query.get(name, "")
        return str(value[0] if isinstance(value, list) else value)

    @property
    def document(self) -> dict[str, Any]:
        """The body of a JSON protocol; empty where it is none."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Check:
    """One question to IAM.

    `resources`: ARNs by any of which a policy may name the one resource; empty where it is not known, so that only the
    action is asked for. `context`: the request's condition keys, lower-case.
    """

    action: str
    resources: tuple[str, ...]
    context: Mapping[str, Any] = field(default_factory=dict)


def checks(request: Request) -> list[Check]:
    """All that must be allowed for the request; nothing for a service or an operation that is not known."""
    match request.service:
        case "cloudformation":
            return list(_cloudformation(request))
        case "codebuild":
            ids = request.document.get("ids") if request.operation == "BatchGetBuilds" else None
            names = [str(each).partition(":")[0] for each in ids or ()] or [_name(request.document)]
            return [Check(_action(request), _arns("codebuild", f"project/{name}" if name else "")) for name in names]
        case "codepipeline":
            found = ("*",) if request.operation in _JOBS else _arns("codepipeline", _pipeline(request))
            return [Check(_action(request), found)]
        case "dynamodb":
            return _dynamodb(request)
        case "logs":
            return [Check(_action(request), _log(request))]
        case "s3":
            return list(_s3(request))
        case "sqs":
            # A batch is asked for as what it consists of.
            return [Check(_action(request).removesuffix("Batch"), _known(_resource(request)))]
        case "ssm":
            return list(_ssm(request))
        case "cloudfront":
            action = _ministack().extract_iam_action(*_parts(request))
            return [Check(action, _known(_resource(request)))] if action else []
    return []


def _action(request: Request) -> str:
    return f"{request.service}:{request.operation}"


def _ministack() -> Any:
    return emulator.module("core.iam_actions")


def _parts(request: Request) -> tuple[Any, ...]:
    return request.service, request.method, request.path, request.headers, request.body, request.query


def _resource(request: Request) -> str:
    return str(_ministack().extract_resource_arn(*_parts(request), emulator.REGION, emulator.ACCOUNT))


def _known(arn: str) -> tuple[str, ...]:
    return () if arn == "*" else (arn,)


def _arns(service: str, name: str) -> tuple[str, ...]:
    return (f"arn:aws:{service}:{emulator.REGION}:{emulator.ACCOUNT}:{name}",) if name else ()


def _name(document: Mapping[str, Any]) -> str:
    return str(document.get("projectName") or document.get("name") or "")


def _pipeline(request: Request) -> str:
    """The pipeline's name; a list of all is asked for as `*`, as AWS's own refusals have it."""
    if request.operation == "ListPipelines":
        return "*"
    return str(request.document.get("pipelineName") or request.document.get("name") or "")


def _cloudformation(request: Request) -> Iterator[Check]:
    """The operation; the tags that it sets, the role that it passes, the template that is read in the caller's name.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html; a list of all stacks
    takes two: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
    """
    name, role, template = (request.parameter(each) for each in ("StackName", "RoleARN", "TemplateURL"))
    stack = _known(_resource(request)) or (("*",) if request.operation in _WITHOUT_A_STACK else ())
    given = {"cloudformation:rolearn": role, "cloudformation:templateurl": template}
    tags = _ministack().request_tag_context(request.service, _action(request), request.body, request.query)
    context = {**{key: value for key, value in given.items() if value}, **_lower(tags)}
    yield Check(_action(request), stack, {**context, **_stack_tags(name)})
    if request.operation == "DescribeStacks" and not name:
        yield Check("cloudformation:ListStacks", stack)
    if tags:
        yield Check("cloudformation:TagResource", stack, context)
    if role:
        yield Check("iam:PassRole", (role,), {"iam:passedtoservice": "cloudformation.amazonaws.com"})
    if template:
        yield Check("s3:GetObject", (f"arn:aws:s3:::{_object(template)}",))


def _stack_tags(name: str) -> dict[str, str]:
    """`aws:ResourceTag` of the stack that a request names, where there is one."""
    stack = emulator.module("services.cloudformation.handlers")._resolve_stack(name)
    return {f"aws:resourcetag/{tag['Key']}".lower(): tag["Value"] for tag in (stack or {}).get("Tags") or ()}


def _object(url: str) -> str:
    """`bucket/key` of an object's address, in either style.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
    """
    parts = urlsplit(url)
    bucket, dot, _ = (parts.hostname or "").partition(".s3.")
    return f"{bucket}{unquote(parts.path)}" if dot else unquote(parts.path).lstrip("/")


def _dynamodb(request: Request) -> list[Check]:
    """A transaction is asked for as what it consists of."""
    known = _ministack()
    within = known.dynamodb_transaction_checks(_action(request), request.body, emulator.REGION, emulator.ACCOUNT)
    if within:
        return [Check(action, (arn,)) for action, arn in within]
    context = {**_lower(known.dynamodb_service_context(request.body)), **_leading_key(request.document)}
    tables: Sequence[str] = known.dynamodb_resource_arns(request.body, emulator.REGION, emulator.ACCOUNT)
    return [Check(_action(request), (arn,), context) for arn in tables] or [Check(_action(request), ())]


def _leading_key(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """The partition key of the one item that a request reads or writes.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    table = emulator.module("services.dynamodb")._tables.get(document.get("TableName")) or {}
    key = (document.get("Key") or document.get("Item") or {}).get(table.get("pk_name"))
    return {"dynamodb:leadingkeys": [str(value) for value in key.values()]} if key else {}


def _log(request: Request) -> tuple[str, ...]:
    """A policy may name a group with or without what follows its name."""
    document = request.document
    group = str(document.get("logGroupName") or document.get("logGroupIdentifier") or "").rpartition("log-group:")[2]
    if not group:
        return ()
    if request.operation in _OF_A_STREAM:
        return _arns("logs", f"log-group:{group}:log-stream:{document.get('logStreamName', '')}")
    return _arns("logs", f"log-group:{group}:log-stream:") + _arns("logs", f"log-group:{group}")


def _s3(request: Request) -> Iterator[Check]:
    """The operation, and what a copy reads; of a deletion of many, one for each object."""
    known = _ministack()
    bucket = request.path.lstrip("/").partition("/")[0]
    if request.method == "POST" and "delete" in request.query:
        for arn, version in known._s3_batch_delete_targets(bucket, request.body):
            yield Check("s3:DeleteObjectVersion" if version else "s3:DeleteObject", (arn,))
        return
    action = known.extract_iam_action(*_parts(request))
    if action is None:
        return
    context = known.s3_service_context(action, request.query, request.path, request.headers)
    yield Check(action, (_resource(request),), _lower(context))
    for further, arn in known.s3_additional_checks(
        request.method, request.path, request.headers, request.body, request.query
    ):
        yield Check(further, (arn,))
    key = request.path.lstrip("/").partition("/")[2]
    if action == "s3:GetObject" and key not in emulator.module("services.s3")._buckets.get(bucket, {}).get(
        "objects", ()
    ):
        # That an object is not there is for those to know who may list.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        yield Check("s3:ListBucket", (f"arn:aws:s3:::{bucket}",))
    yield from _bucket_key(bucket, action)


def _bucket_key(bucket: str, action: str) -> Iterator[Check]:
    """The key that a bucket encrypts with by itself, which is used in the caller's name to write and to read objects.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    needed = {"s3:PutObject": "kms:GenerateDataKey", "s3:GetObject": "kms:Decrypt"}.get(action)
    settings = emulator.module("services.s3")._bucket_encryption.get(bucket) or ""
    named = _KEY.search(settings)
    key = emulator.module("services.kms")._resolve_key(named[1]) if named and needed else None
    if needed and key is not None:
        yield Check(needed, (key["Arn"],), {"kms:viaservice": f"s3.{emulator.REGION}.amazonaws.com"})


def _ssm(request: Request) -> Iterator[Check]:
    """The operation, and the key that a parameter was encrypted with, which is used in the caller's name.

    https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
    """
    names = request.document.get("Names")
    if not names:
        yield Check(_action(request), _known(_resource(request)))
        names = [request.document.get("Name", "")]
    else:
        for name in names:
            yield Check(_action(request), _parameter(str(name)))
    if not request.document.get("WithDecryption"):
        return
    for name in names:
        kept = emulator.module("services.ssm")._parameters.get(name) or {}
        key = emulator.module("services.kms")._resolve_key(kept.get("KeyId")) if kept.get("KeyId") != _AWS_KEY else None
        if key is not None:
            through = {"kms:viaservice": f"ssm.{emulator.REGION}.amazonaws.com"}
            [arn] = _parameter(str(name))
            yield Check("kms:Decrypt", (key["Arn"],), {**through, "kms:encryptioncontext:parameter_arn": arn})


def _parameter(name: str) -> tuple[str, ...]:
    return _arns("ssm", f"parameter/{name.lstrip('/')}")


def _lower(context: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in context.items()}
