"""The endpoint, as GitHub meets it: a signed ping comes in, an unsigned one does not."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator

import urllib3

from deployer_cli.config.names import GITHUB_HMAC
from deployer_cli.findings import Finding, right, wrong
from deployer_cli.place import Place

BODY = json.dumps({"zen": "Practicality beats purity."}).encode()
# As long as GitHub waits.
PATIENCE = urllib3.Timeout(total=10.0)


def endpoint(place: Place) -> Iterator[Finding]:
    """Knock twice. Raises ``Broken`` where there is no secret to sign with."""
    secret = place.secrets.get(GITHUB_HMAC)
    signature = "sha256=" + hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()
    yield of_signed(place.endpoint, _knock(place.endpoint, {"X-Hub-Signature-256": signature}))
    yield of_unsigned(place.endpoint, _knock(place.endpoint, {}))


def of_signed(url: str, answer: int) -> Finding:
    """``answer``: its status, 0 for none."""
    if answer == 200:
        return right("endpoint, signed", f"{url} says hello")
    if answer == 401:
        return wrong(
            "endpoint, signed",
            "the listener has another secret than SSM has",
            "if it was set less than a minute ago, wait; else `deployer config set hmac`",
        )
    if answer == 0:
        return wrong("endpoint, signed", f"{url} does not answer", "deployer deploy")
    return wrong(
        "endpoint, signed", f"{url} answers {answer}", "read the listener's log; `deployer deploy` mends routes"
    )


def of_unsigned(url: str, answer: int) -> Finding:
    """``answer``: its status, 0 for none."""
    if answer == 401:
        return right("endpoint, unsigned", "it is refused")
    if answer == 0:
        return wrong("endpoint, unsigned", f"{url} does not answer", "deployer deploy")
    return wrong("endpoint, unsigned", f"it is not refused but answered with {answer}", "deployer deploy listener")


def _knock(url: str, headers: dict[str, str]) -> int:
    sent = {"Content-Type": "application/json", "X-GitHub-Event": "ping", "User-Agent": "opolis-deployer", **headers}
    try:
        return urllib3.request("POST", url, body=BODY, headers=sent, timeout=PATIENCE, retries=False).status
    except urllib3.exceptions.HTTPError:
        return 0
