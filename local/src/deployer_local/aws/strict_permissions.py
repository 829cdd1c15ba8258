"""A function's requests as closed as on AWS: what its role's policies do not allow is answered with AccessDenied.

Each worker gets credentials of its function's role, so who asks is known from the signature, and GetCallerIdentity
answers with it. A role that is not there cannot be held to anything: its function asks in the account's name. What
Lambda does in a role's name (polling a queue, writing the log) is noted here; `strict_lambda` refuses the queue.
Signatures are not verified.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from . import emulator
from .host import Extension, Host
from .permission_checks import CHECKED, LOGGING, POLLING, Check, Request, checks
from .role_policies import Decision, held, role_of
from .used_permissions import Principal, UsedPermissions

Answer = tuple[int, dict[str, str], Any]
Handler = Callable[..., Awaitable[Answer]]


def install(used: UsedPermissions) -> Extension:
    """Extension for `Host`: hold functions to their roles. Install it after all services and after the workers."""

    def extend(host: Host) -> None:
        guard = _Guard(host, used)
        emulator.wrap(emulator.module("core.lambda_runtime"), "execution_credentials", guard.credentials)
        functions = emulator.module("services.lambda_svc")
        emulator.wrap(functions, "_run_sqs_batch", guard.polling)
        emulator.wrap(functions, "_execute_function_dispatch", guard.logging)
        handlers: dict[str, Handler] = emulator.module("app").SERVICE_HANDLERS
        for service in CHECKED:
            handlers[service] = guard.guarded(service, handlers[service])

    return extend


class _Guard:
    def __init__(self, host: Host, used: UsedPermissions) -> None:
        self._host, self._used = host, used
        self._keys: dict[str, Principal] = {}

    def credentials(self, original: Callable[[Any], dict[str, str]]) -> Callable[[Any], dict[str, str]]:
        """Of the role that a function names; the same ones for all its workers."""

        def made(config: Any) -> dict[str, str]:
            who = _principal(config)
            if role_of(who.role) is None:
                return original(config)
            digest = hashlib.sha256(f"{who.function} {who.role}".encode()).hexdigest().upper()
            key, token, role = f"ASIA{digest[:16]}", f"token-{digest[:32]}", who.role.rpartition("/")[2]
            secret, name = digest[:40], f"{role}:{who.function}"
            session = {"Arn": _session(who), "UserId": name, "SecretAccessKey": secret, "SessionToken": token}
            register = emulator.module("services.sts").register_session
            # On the serving loop, where sessions are looked through; before the first request that the worker makes.
            self._host.post(lambda: register(key, session))
            self._keys[key] = who
            return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}

        return made

    def guarded(self, service: str, handler: Handler) -> Handler:
        """The handler of a service, behind the policies of whoever asks."""
        router, application = emulator.module("core.router"), emulator.module("app")

        async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:
            who = self._keys.get(router.extract_access_key_id(headers, query))
            if who is not None:
                given = application._routing_params(method, path, headers, body, query)
                for check in checks(Request(service, method, path, headers, body, given)):
                    if (decision := self._asked(who, check)) is not None:
                        return _refusal(who, check, decision, Request(service, method, path, headers, body, given))
            return await handler(method, path, headers, body, query)

        return handle

    def _asked(self, who: Principal, check: Check) -> Decision | None:
        """The decision, where it is no."""
        answer = held(who.role, check)
        if answer is None:
            return None
        decision, documents = answer
        self._used.note(who, check, decision, documents)
        return None if decision.allowed else decision

    def polling(self, original: Callable[..., None]) -> Callable[..., None]:
        """Note what Lambda does with a queue in the name of the function that it calls for it."""

        def run(mapping: Any, function: Any, *rest: Any) -> None:
            for action in POLLING:
                self._asked(_principal(function["config"]), Check(action, (mapping["EventSourceArn"],)))
            original(mapping, function, *rest)

        return run

    def logging(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Note what Lambda does with the log in the name of a function."""

        def execute(function: Any, config: Any, *rest: Any) -> Any:
            group = f"log-group:/aws/lambda/{config.get('FunctionName', '')}:log-stream:"
            for action in LOGGING:
                arn = f"arn:aws:logs:{emulator.REGION}:{emulator.ACCOUNT}:{group}any"
                self._asked(_principal(config), Check(action, (arn,)))
            return original(function, config, *rest)

        return execute


def _principal(config: Any) -> Principal:
    return Principal(str(config.get("FunctionName", "")), str(config.get("Role", "")))


def _session(who: Principal) -> str:
    role = who.role.rpartition("/")[2]
    return f"arn:aws:sts::{emulator.ACCOUNT}:assumed-role/{role}/{who.function}"


def _refusal(who: Principal, check: Check, decision: Decision, request: Request) -> Answer:
    """AccessDenied as the service of the request says it, naming what would have had to be allowed."""
    actions = emulator.module("core.iam_actions")
    resource = check.resources[0] if check.resources else "*"
    message = actions.identity_denial_message(check.action, _session(who), resource, decision.forbidden)
    answer: Answer = actions.access_denied_response(
        request.service,
        check.action,
        _session(who),
        "",
        message=message,
        headers=dict(request.headers),
        resource_arn=resource,
        explicit_deny=decision.forbidden,
    )
    # A HEAD is answered without a body.
    return (answer[0], answer[1], b"") if request.method == "HEAD" else answer
