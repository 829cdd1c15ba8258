"""The webhook endpoint: verify, admit, queue one look.

It writes nothing but that look, and never acts on what a payload says.
"""

from __future__ import annotations

import functools
import json
import os
import re
from dataclasses import dataclass
from typing import Any

from deployer.errors import Broken, Transient
from deployer.metrics import PUSHES, WEBHOOKS_REFUSED
from deployer.observability import bound, logger, traced
from deployer.ports import Looks
from deployer.settings import load
from listener.admission import Ignored, admit, decode
from listener.request import Refused, parse
from listener.signature import Verifier, digest_of

log = logger("listener")
# A GUID; no signature covers the header, so anything else is not taken along.
_DELIVERY = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Settings:
    """What template.yaml tells the function."""

    looks_queue_url: str
    github_hmac_parameter: str
    allowed_repositories: str  # no default: an empty list must not mean everybody


@dataclass(frozen=True)
class Listener:
    """The function with its collaborators; tests build it with fakes."""

    verifier: Verifier
    looks: Looks
    patterns: str

    def answer(self, event: Any) -> dict[str, Any]:
        """Answer one request; every refusal is an answer."""
        try:
            status, message = self._accept(event)
        except Refused as refusal:
            log.warning("refused", status=refusal.status, reason=refusal.message)
            log.measure(WEBHOOKS_REFUSED, Status=str(refusal.status))
            status, message = refusal.status, refusal.message
        except Broken as error:
            log.error("the webhook secret can't be read", reason=str(error))
            status, message = 503, "this deployer has no webhook secret yet"
        except Transient as error:
            log.error("the look was not queued; redeliver, or wait for the sweep", reason=str(error))
            status, message = 503, "try again: AWS did not answer"
        return {
            "statusCode": status,
            "headers": {"content-type": "application/json"},
            "body": json.dumps({"message": message}),
        }

    def _accept(self, event: Any) -> tuple[int, str]:
        request = parse(event)
        digest = digest_of(request.header("x-hub-signature-256"))
        if digest is None or not self.verifier.verify(request.body, digest):
            raise Refused(401, "the signature is missing or wrong")
        kind, delivery = request.header("x-github-event"), request.header("x-github-delivery")
        delivery = delivery if _DELIVERY.fullmatch(delivery) else ""
        payload = decode(request.body, request.header("content-type"))
        if kind == "ping":
            return 200, "hello: pushes to this repository will be deployed"
        if kind != "push":
            return 202, "ignored: only pushes are acted upon"
        with bound(delivery=delivery):
            admitted = admit(payload, self.patterns, delivery)
            if isinstance(admitted, Ignored):
                log.info("ignored", reason=admitted.reason)
                return 202, f"ignored: {admitted.reason}"
            self.looks.send(admitted)
            log.info("look queued", environment=admitted.environment, commit=admitted.after)
            log.measure(PUSHES)
            return 202, f"looking at {admitted.environment}"


@functools.cache
def _listener() -> Listener:
    import boto3  # noqa: PLC0415 - the tests' fakes need none
    from botocore.config import Config  # noqa: PLC0415

    from deployer.queues import LookQueue  # noqa: PLC0415
    from deployer.secrets import Secrets  # noqa: PLC0415

    settings = load(Settings, os.environ)
    # What hangs is answered with 503 inside the ten seconds that GitHub waits: two tries of at most 3 s.
    impatient = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
    return Listener(
        Verifier(Secrets(boto3.client("ssm", config=impatient)), settings.github_hmac_parameter),
        LookQueue(boto3.client("sqs", config=impatient), settings.looks_queue_url),
        settings.allowed_repositories,
    )


@traced("listener")
def handler(event: Any, context: Any) -> dict[str, Any]:
    """AWS Lambda's entry point."""
    return _listener().answer(event)
