"""What a webhook has to be like, and what its answers mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer_cli.findings import Verdict
from deployer_cli.webhooks.settings import Delivery, Hook, answered, judge, ours

URL = "https://a1b2.execute-api.eu-west-1.amazonaws.com/prod/webhook"
GOOD = Hook(1, URL, "json", "0", secret=True, active=True, events=("push",))


@pytest.mark.parametrize(
    ("change", "subject", "said"),
    [
        pytest.param({"url": "https://a1b2.example/x"}, "webhook's URL", "points at https://a1b2.example/x", id="url"),
        pytest.param({"content_type": "form"}, "webhook's content type", "a form", id="form"),
        pytest.param({"secret": False}, "webhook's secret", "no secret", id="secret"),
        pytest.param({"events": ("create", "delete")}, "webhook's events", "only create, delete", id="events"),
        pytest.param({"events": ()}, "webhook's events", "only nothing", id="no-events"),
        pytest.param({"active": False}, "webhook's active", "switched off", id="inactive"),
        pytest.param({"insecure_ssl": "1"}, "webhook's certificate", "certificate", id="not-verified"),
    ],
)
def test_F95_each_wrong_setting_is_named_with_its_fix(change: dict[str, object], subject: str, said: str) -> None:
    assert {each.verdict for each in judge(GOOD, URL, "acme/site")} == {Verdict.RIGHT}
    found = [each for each in judge(replace(GOOD, **change), URL, "acme/site") if each.verdict is not Verdict.RIGHT]  # type: ignore[arg-type]
    [wrong] = found
    assert (wrong.subject, wrong.fix) == (subject, "deployer webhook add acme/site")
    assert said in wrong.said


@pytest.mark.parametrize("events", [("*",), ("push", "create", "delete")], ids=["everything", "more"])
def test_more_events_than_needed_are_no_fault(events: tuple[str, ...]) -> None:
    assert {each.verdict for each in judge(replace(GOOD, events=events), URL, "acme/site")} == {Verdict.RIGHT}


@pytest.mark.parametrize(
    ("hooks", "chosen"),
    [
        pytest.param([], None, id="none"),
        pytest.param([replace(GOOD, id=2, url="https://ci.example/hook")], None, id="somebody-elses"),
        pytest.param([replace(GOOD, id=2, url="https://ci.example/hook"), GOOD], 1, id="the-one-that-points-here"),
        pytest.param(
            [replace(GOOD, id=2, url=URL.replace("/prod", "/dev")), GOOD], 1, id="rather-than-on-the-same-host"
        ),
        pytest.param([replace(GOOD, id=3, url=URL.replace("/prod", "/dev"))], 3, id="on-the-same-host"),
        pytest.param([replace(GOOD, id=4, url=URL.replace("a1b2", "old"))], None, id="of-another-installation"),
        pytest.param([replace(GOOD, id=5, url=URL.replace("webhook", "other"), events=())], 5, id="wrong-path"),
        pytest.param(
            [replace(GOOD, id=6, url="https://old.execute-api.eu-west-1.amazonaws.com/prod/mine")], None, id="an-api"
        ),
    ],
)
def test_which_of_them_is_ours(hooks: list[Hook], chosen: int | None) -> None:
    found = ours(hooks, URL)
    assert (found.id if found else None) == chosen


@pytest.mark.parametrize(
    ("code", "verdict", "said", "fix"),
    [
        pytest.param(202, Verdict.RIGHT, "answered 202", "", id="taken"),
        pytest.param(401, Verdict.WRONG, "another secret", "webhook add acme/site", id="F1-another-secret"),
        pytest.param(403, Verdict.WRONG, "allow-list", "AllowedRepositories", id="F17-not-allowed"),
        pytest.param(404, Verdict.WRONG, "no such endpoint", "webhook add acme/site", id="wrong-url"),
        pytest.param(415, Verdict.WRONG, "form", "webhook add acme/site", id="F10-form"),
        pytest.param(503, Verdict.WRONG, "no webhook secret", "config set hmac", id="F2-no-secret"),
        pytest.param(0, Verdict.WRONG, "no answer", "redeliver", id="no-answer"),
        pytest.param(418, Verdict.WRONG, "answered 418", "listener's log", id="something-else"),
    ],
)
def test_what_an_answer_means(code: int, verdict: Verdict, said: str, fix: str) -> None:
    found = answered("last delivery", Delivery(1, "2026-11-25T01:00:00Z", "push", code, "x"), "acme/site")
    assert found.verdict is verdict
    assert found.said.startswith("push of 2026-11-25T01:00:00Z: ")
    assert said in found.said
    assert fix in found.fix
    assert "{" not in found.fix


def test_nothing_was_sent_yet() -> None:
    assert answered("last delivery", None, "acme/site").verdict is Verdict.UNKNOWN
