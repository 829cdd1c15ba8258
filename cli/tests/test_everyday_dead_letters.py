"""What is in the dead-letter queues: in one line each, and nothing that is secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cli.tests.environments import LOGIN, NAME, PREFIX

from deployer.errors import Broken, Rejected
from deployer.events import Look, Sweep
from deployer.notices import Announcement, Removal, RunNotice
from deployer_cli.everyday.dead_letters import MOST, DeadLetters, DeadQueue, describe
from deployer_cli.everyday.redrive import as_json, chosen

RUN = "0b7c1c5e-6a0e-4d8f-9b3f-2f6f5f0d9a11"
ARN = "arn:aws:cloudformation:eu-central-1:123456789012:stack/site-staging/1"
CANARY = "canary-token"


def event(source: str, kind: str, detail: dict[str, Any], **more: Any) -> str:
    envelope = {"account": "123456789012", "region": "eu-central-1", "source": source, "detail-type": kind}
    return json.dumps({**envelope, "detail": detail, **more})


RAN = {"pipeline": "site-staging", "execution-id": RUN, "state": "FAILED"}
CLEANUP = {
    "request": {
        "RequestType": "Delete",
        "LogicalResourceId": "Cleaner",
        "ResponseURL": f"https://s3/?Signature={CANARY}",
        "ResourceProperties": {"Token": CANARY},
    },
    "began": 1.0,
    "state": {},
}


@pytest.mark.parametrize(
    ("body", "line"),
    [
        pytest.param(Look(str(LOGIN), NAME, "push 1").to_json(), f"look: {LOGIN} (push 1)", id="look"),
        pytest.param(Sweep(NAME, ()).to_json(), "sweep: acme/site", id="sweep"),
        pytest.param(RunNotice("site-staging", RUN).to_json(), f"notice: run {RUN} of site-staging", id="run-notice"),
        pytest.param(
            Announcement(str(LOGIN), "k", CANARY).to_json(), f"notice: announcement for {LOGIN}", id="announcement"
        ),
        pytest.param(Removal(str(LOGIN), NAME, 3).to_json(), f"notice: removal of {LOGIN}", id="removal"),
        pytest.param(
            event(
                "aws.cloudformation",
                "CloudFormation Stack Status Change",
                {"stack-id": ARN, "status-details": {"status": "CREATE_COMPLETE"}},
            ),
            "event: stack site-staging CREATE_COMPLETE",
            id="stack-event",
        ),
        pytest.param(
            event("aws.codepipeline", "CodePipeline Pipeline Execution State Change", RAN),
            f"event: run {RUN} of site-staging FAILED",
            id="run-event",
        ),
        pytest.param(
            event("aws.codepipeline", "CodePipeline Stage Execution State Change", {**RAN, "stage": "Build"}),
            f"event: run {RUN} of site-staging Build FAILED",
            id="stage-event",
        ),
        pytest.param(event("aws.events", "Scheduled Event", {}, id="7"), "event: Scheduled Event", id="tick"),
        pytest.param(json.dumps(CLEANUP), "cleanup: Delete Cleaner", id="F91-cleanup"),
        pytest.param(f"{CANARY}", "12 characters that nobody of ours sent", id="F91-text"),
        pytest.param(f'["{CANARY}"]', "16 characters that nobody of ours sent", id="F91-a-list"),
        pytest.param(f'{{"x": "{CANARY}"}}', "21 characters that nobody of ours sent", id="F91-an-object"),
        pytest.param("[" * 100_000, "100000 characters that nobody of ours sent", id="F9-deep"),
    ],
)
def test_F91_a_message_is_one_line_without_its_secrets(body: str, line: str) -> None:
    assert describe(body) == line
    assert CANARY not in describe(body)


class Queue:
    """SQS with one dead-letter queue, as far as it is read."""

    def __init__(self, bodies: list[str], statuses: tuple[str, ...] = ("COMPLETED",)) -> None:
        self.bodies, self.statuses = bodies, list(statuses)
        self.page = 0
        self.started: list[str] = []

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        assert asked["VisibilityTimeout"] == 0, "it would be hidden from whoever moves it"
        first = (self.page * 10) % max(len(self.bodies), 1)
        self.page += 1
        return {
            "Messages": [
                {"MessageId": str(first + at), "Body": body, "Attributes": {"SentTimestamp": str(1000 - first - at)}}
                for at, body in enumerate(self.bodies[first : first + 10])
            ]
        }

    def start_message_move_task(self, **asked: Any) -> dict[str, Any]:
        assert asked["DestinationArn"] == f"arn:{PREFIX}-looks.fifo", "some came from no queue"
        self.started.append(asked["SourceArn"])
        return {"TaskHandle": "1"}

    def list_message_move_tasks(self, **_: Any) -> dict[str, Any]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"Results": [{"Status": status, "ApproximateNumberOfMessagesMoved": 3}]}


def dead(count: int, name: str = "looks-dead.fifo") -> DeadQueue:
    source = name.replace("-dead", "")
    return DeadQueue(f"{PREFIX}-{name}", "https://q", "arn:q", f"{PREFIX}-{source}", count)


def test_all_of_it_is_shown_oldest_first_however_many_pages_it_takes() -> None:
    letters = DeadLetters(Queue(["x" * n for n in range(1, 26)]), lambda _: None).letters(dead(25))
    assert [letter.what.split()[0] for letter in letters] == [str(n) for n in range(25, 0, -1)]


def test_a_queue_that_shows_less_than_it_counts_and_one_that_holds_very_many_come_to_an_end() -> None:
    assert len(DeadLetters(Queue(["x"]), lambda _: None).letters(dead(5))) == 1
    assert len(DeadLetters(Queue(["x"] * 200), lambda _: None).letters(dead(200))) == MOST
    assert DeadLetters(Queue([]), lambda _: None).letters(dead(0)) == ()


def test_F21_moving_it_back_is_waited_for() -> None:
    pauses: list[float] = []
    queue = Queue([], ("RUNNING", "RUNNING", "COMPLETED"))
    assert DeadLetters(queue, pauses.append).redrive(dead(3)) == 3
    assert (queue.started, pauses) == (["arn:q"], [1.0, 1.0])


@pytest.mark.parametrize(
    ("status", "text"),
    [("FAILED", "was not emptied: failed"), ("CANCELLED", "was not emptied"), ("RUNNING", "still being emptied")],
)
def test_what_could_not_be_moved_says_so(status: str, text: str) -> None:
    with pytest.raises(Broken, match=text):
        DeadLetters(Queue([], (status,)), lambda _: None).redrive(dead(3), patience=3)


QUEUES = (dead(1), dead(0, "changes-dead"), dead(2, "cleanups-buckets-dead"))


@pytest.mark.parametrize(
    ("named", "found"),
    [
        pytest.param(None, QUEUES, id="all"),
        pytest.param("looks", QUEUES[:1], id="short"),
        pytest.param("looks-dead", QUEUES[:1], id="the-dead-letters-themselves"),
        pytest.param(f"{PREFIX}-looks-dead.fifo", QUEUES[:1], id="whole"),
        pytest.param("cleanups-buckets", QUEUES[2:], id="with-a-dash"),
    ],
)
def test_a_queue_goes_by_any_of_its_names(named: str | None, found: tuple[DeadQueue, ...]) -> None:
    assert chosen(QUEUES, named, PREFIX) == found


def test_a_queue_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(Rejected, match="there are looks, changes, cleanups-buckets"):
        chosen(QUEUES, "lokks", PREFIX)


def test_its_json() -> None:
    found = as_json(dead(1), DeadLetters(Queue(["x"]), lambda _: None).letters(dead(1)), None)
    assert found == {
        "name": f"{PREFIX}-looks-dead.fifo",
        "source": f"{PREFIX}-looks.fifo",
        "messages": 1,
        "moved": None,
        "letters": [
            {"what": "1 characters that nobody of ours sent", "sent": "1970-01-01T00:00:01+00:00", "receives": 1}
        ],
    }
