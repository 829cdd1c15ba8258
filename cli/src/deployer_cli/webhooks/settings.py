"""What a webhook has to be like, which of a repository's is ours, and what its answers mean.

Pure. https://docs.github.com/rest/repos/webhooks
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from deployer_cli.findings import Finding, right, unknown, wrong

# All that the listener acts upon: branches and tags that appear, move or go are pushes, each of them.
EVENTS = ("push",)
CONTENT_TYPE = "json"
VERIFIED = "0"
MEND = "deployer webhook add {repository}"


@dataclass(frozen=True)
class Hook:
    """A webhook as GitHub shows it. ``secret``: whether it has one, which GitHub tells nobody."""

    id: int
    url: str
    content_type: str
    insecure_ssl: str
    secret: bool
    active: bool
    events: tuple[str, ...]


@dataclass(frozen=True)
class Delivery:
    """What was sent, and answered with ``code`` (0: no answer); ``at`` as GitHub writes it."""

    id: int
    at: str
    event: str
    code: int
    status: str


def ours(hooks: Sequence[Hook], url: str) -> Hook | None:
    """The webhook that points at ``url``, else the one that was meant to, else None.

    Meant to is what points at the same host, which an installation shares with nobody. Another endpoint of API
    Gateway's may be another installation's, or somebody else's.
    """
    for alike in (lambda hook: hook.url == url, lambda hook: _host(hook.url) == _host(url)):
        if found := [hook for hook in hooks if alike(hook)]:
            return found[0]
    return None


def judge(hook: Hook, url: str, repository: str) -> Iterator[Finding]:
    """Each setting, one by one."""
    fix = MEND.format(repository=repository)
    yield _setting("URL", hook.url, hook.url == url, f"it points at {hook.url}, not at {url}", fix)
    yield _setting(
        "content type", "application/json", hook.content_type == CONTENT_TYPE, "it is a form, not application/json", fix
    )
    yield _setting("secret", "there is one", hook.secret, "it has no secret, so nothing that it sends is believed", fix)
    missing = [each for each in EVENTS if not {each, "*"} & set(hook.events)]
    yield _setting(
        "events",
        ", ".join(hook.events),
        not missing,
        f"it does not send {', '.join(missing)}, only {', '.join(hook.events) or 'nothing'}",
        fix,
    )
    yield _setting("active", "it is", hook.active, "it is switched off", fix)
    yield _setting(
        "certificate",
        "it is verified",
        hook.insecure_ssl == VERIFIED,
        "GitHub sends whoever answers, without a look at the certificate",
        fix,
    )


def answered(subject: str, delivery: Delivery | None, repository: str) -> Finding:
    """What an answer to a delivery means, and what to do about it."""
    if delivery is None:
        return unknown(subject, "nothing was sent yet")
    said = f"{delivery.event} of {delivery.at}: "
    if 200 <= delivery.code < 300:
        return right(subject, said + f"answered {delivery.code}")
    meaning, fix = _MEANINGS.get(delivery.code, (f"answered {delivery.code}", "read the listener's log"))
    return wrong(subject, said + meaning, fix.format(repository=repository))


_MEANINGS = {
    0: ("no answer came in ten seconds", "see that the URL is the deployer's; then redeliver, or wait for the sweep"),
    400: ("answered 400: it is not what GitHub sends", "read the listener's log"),
    401: ("answered 401: it is signed with another secret than the deployer's", MEND),
    403: ("answered 403: the repository is not on the allow-list", "deploy with AllowedRepositories that take it"),
    404: ("answered 404: there is no such endpoint", MEND),
    413: ("answered 413: it is larger than an endpoint takes", "nothing; the sweep finds what was pushed"),
    415: ("answered 415: it is a form, not application/json", MEND),
    429: ("answered 429: too many at once", "nothing; the sweep finds what was pushed"),
    503: ("answered 503: the deployer has no webhook secret, or AWS did not answer", "deployer config set hmac"),
}


def _setting(name: str, said: str, fine: bool, otherwise: str, fix: str) -> Finding:
    subject = f"webhook's {name}"
    return right(subject, said) if fine else wrong(subject, otherwise, fix)


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()
