"""What a push makes the local GitHub send: payloads, signatures, losses, redeliveries.

The `forge` fixture holds each delivery to GitHub's description and to recorded payloads.
"""

import hashlib
import hmac
import json
import re
import subprocess
from typing import Any

import pytest
from tests.webhooks import payloads

from .conftest import Forge, Receiver, Work

ZERO = "0" * 40


@pytest.fixture
def hooked(forge: Forge, site: Work, receiver: Receiver) -> Receiver:
    """The address that hears of every push, its ping behind it."""
    forge.github.add_hook("acme/site", receiver.url, "s3cret", events=("push", "create", "delete"))
    assert forge.github.settle()
    receiver.got.clear()
    return receiver


def heard(forge: Forge, receiver: Receiver, event: str = "push") -> list[dict[str, Any]]:
    """The payloads of an event that arrived since the last time."""
    assert forge.github.settle()
    got = [json.loads(body) for headers, body in receiver.got if headers["x-github-event"] == event]
    receiver.got.clear()
    return got


def test_delivery_is_signed_and_labelled(forge: Forge, site: Work, hooked: Receiver) -> None:
    site.commit("change")
    site.git("push", "-q", "origin", "main")
    assert forge.github.settle()
    (headers, body), *_ = hooked.got
    delivery = forge.github.deliveries()[-1]
    assert headers["x-hub-signature-256"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["x-hub-signature"] == "sha1=" + hmac.new(b"s3cret", body, hashlib.sha1).hexdigest()
    assert headers["content-type"] == "application/json"
    assert headers["x-github-delivery"] == delivery.guid
    assert headers["x-github-hook-id"] == str(delivery.hook_id)
    assert headers["x-github-hook-installation-target-type"] == "repository"
    assert headers["x-github-hook-installation-target-id"] == str(forge.github.repository("acme/site").id)
    assert headers["user-agent"].startswith("GitHub-Hookshot/")
    assert (delivery.status_code, delivery.status, delivery.request_body) == (202, "OK", body)
    assert delivery.request_headers["X-Hub-Signature-256"] == headers["x-hub-signature-256"]


def test_branch_updated(forge: Forge, site: Work, hooked: Receiver) -> None:
    before = site.git("rev-parse", "HEAD")
    first = site.commit("add", added="a", README__md="other\n")
    (site.path / "added").unlink()
    second = site.commit("remove ünïcode\n\nwith a body", nämé="x")
    site.git("push", "-q", "origin", "main")
    (push,) = heard(forge, hooked)
    assert (push["ref"], push["before"], push["after"]) == ("refs/heads/main", before, second)
    assert (push["created"], push["deleted"], push["forced"], push["base_ref"]) == (False, False, False, None)
    assert push["compare"].endswith(f"/acme/site/compare/{before[:12]}...{second[:12]}")
    assert [each["id"] for each in push["commits"]] == [first, second]
    paths = [(each["added"], each["removed"], each["modified"]) for each in push["commits"]]
    assert paths == [(["added"], [], ["README.md"]), (["nämé"], ["added"], [])]
    assert push["head_commit"]["message"] == "remove ünïcode\n\nwith a body"
    assert push["head_commit"]["author"] == {"name": "Mona Lisa", "email": "mona@example.com"}
    assert all(each["distinct"] for each in push["commits"])


def test_branch_created_forced_and_deleted(forge: Forge, site: Work, hooked: Receiver) -> None:
    base = site.git("rev-parse", "HEAD")
    site.git("push", "-q", "origin", "main:refs/heads/a#b")
    (created,) = heard(forge, hooked)
    assert (created["ref"], created["created"], created["base_ref"]) == ("refs/heads/a#b", True, "refs/heads/main")
    assert (created["before"], created["commits"], created["head_commit"]["id"]) == (ZERO, [], base)
    assert created["compare"].endswith("/compare/a%23b")
    site.git("commit", "-q", "--amend", "-m", "Another first commit")
    site.git("push", "-q", "--force", "origin", "main:refs/heads/a#b")
    (forced,) = heard(forge, hooked)
    assert (forced["forced"], forced["before"], len(forced["commits"])) == (True, base, 1)
    site.git("push", "-q", "origin", ":refs/heads/a#b")
    (deleted,) = heard(forge, hooked)
    assert (deleted["deleted"], deleted["after"], deleted["head_commit"]) == (True, ZERO, None)
    assert deleted["before"] == forced["after"]


def test_create_and_delete_events(forge: Forge, site: Work, hooked: Receiver) -> None:
    site.git("push", "-q", "origin", "main:refs/heads/feature/x")
    (created,) = heard(forge, hooked, "create")
    assert (created["ref"], created["ref_type"], created["master_branch"]) == ("feature/x", "branch", "main")
    site.git("push", "-q", "origin", ":feature/x")
    (deleted,) = heard(forge, hooked, "delete")
    assert (deleted["ref"], deleted["ref_type"]) == ("feature/x", "branch")


def test_F37_annotated_tag_names_the_tag_object(forge: Forge, site: Work, hooked: Receiver) -> None:
    head = site.git("rev-parse", "HEAD")
    site.git("tag", "-a", "v1.0.0", "-m", "release")
    site.git("push", "-q", "origin", "v1.0.0")
    (push,) = heard(forge, hooked)
    assert push["after"] == site.git("rev-parse", "v1.0.0") != head
    assert (push["head_commit"]["id"], push["commits"]) == (head, [])
    assert (push["base_ref"], push["compare"].rpartition("/")[2]) == ("refs/heads/main", "v1.0.0")


def test_F37_tag_of_a_tree_has_no_head_commit(forge: Forge, site: Work, hooked: Receiver) -> None:
    site.git("tag", "v2.0.0", "HEAD^{tree}")
    site.git("push", "-q", "origin", "v2.0.0")
    (push,) = heard(forge, hooked)
    assert (push["head_commit"], push["created"]) == (None, True)


@pytest.mark.parametrize(("tags", "events"), [(3, 3), (4, 0)], ids=["F25-three-tags", "F25-four-tags-are-silent"])
def test_many_tags_at_once(forge: Forge, site: Work, hooked: Receiver, tags: int, events: int) -> None:
    names = [f"v1.0.{number}" for number in range(tags)]
    for name in names:
        site.git("tag", name)
    site.git("push", "-q", "origin", *names)
    assert len(heard(forge, hooked)) == events
    assert len(forge.github.refs("acme/site")) == tags + 1


def test_no_more_than_2048_commits(forge: Forge, site: Work, hooked: Receiver) -> None:
    who = "Mona <mona@example.com> 1700000000 +0000"
    stream = [
        f"commit refs/heads/long\nmark :{n}\ncommitter {who}\ndata 1\nx\n" + (f"from :{n - 1}\n" if n > 1 else "")
        for n in range(1, 2061)
    ]
    (site.path / "stream").write_text("".join(stream))
    with (site.path / "stream").open("rb") as source:
        subprocess.run(["git", "fast-import", "--quiet"], cwd=site.path, stdin=source, check=True)
    site.git("push", "-q", "origin", "long")
    (push,) = heard(forge, hooked)
    assert (len(push["commits"]), push["commits"][-1]["id"]) == (2048, push["after"])
    made = payloads.long()
    assert (len(made["commits"]), made["commits"][-1]["id"]) == (2048, made["after"])
    assert form(push["commits"], "commits") == form(made["commits"], "commits")


def form(value: Any, field: str = "") -> Any:
    """What a payload's field looks like, whatever its value: its fields and types, gone or not, what is compared."""
    if isinstance(value, dict):  # a username is told only where GitHub knows the address
        return {key: form(each, key) for key, each in value.items() if key != "username"}
    if isinstance(value, list):
        return [form(value[0], field)] if value and field == "commits" else []
    if field == "compare":
        return re.sub(r"[0-9a-f]{12,40}", "#", value.partition("/compare/")[2])
    return "gone" if value == ZERO else type(value).__name__


@pytest.mark.parametrize(
    ("made", "commands"),
    [
        pytest.param(payloads.updated("refs/heads/topic"), ["commit", "push -q origin topic"], id="updated"),
        pytest.param(
            payloads.forced("refs/heads/topic"),
            ["commit --amend -q -m amended", "push -q --force origin topic"],
            id="forced",
        ),
        pytest.param(payloads.created("refs/heads/new"), ["push -q origin main:new"], id="created"),
        pytest.param(payloads.deleted("refs/heads/topic"), ["push -q origin :topic"], id="deleted"),
        pytest.param(payloads.created("refs/tags/v1.2.3"), ["tag v1.2.3", "push -q origin v1.2.3"], id="tagged"),
        pytest.param(
            payloads.annotated("refs/tags/v1.2.3"),
            ["tag -a v1.2.3 -m release", "push -q origin v1.2.3"],
            id="F37-annotated",
        ),
        pytest.param(
            payloads.deleted("refs/tags/v1.2.3"),
            ["tag v1.2.3", "push -q origin v1.2.3", "push -q origin :v1.2.3"],
            id="tag-deleted",
        ),
        *(
            pytest.param(each.payload, ["commit", f"push -q origin topic:{each.payload['ref']}"], id=each.name)
            for each in payloads.MADE
            if each.name in ("branch-composed", "branch-decomposed", "branch-emoji", "branch-right-to-left")
        ),
    ],
)
def test_made_pushes_look_as_real_ones(
    forge: Forge, site: Work, hooked: Receiver, made: dict[str, Any], commands: list[str]
) -> None:
    site.git("push", "-q", "origin", "main:topic")
    site.git("checkout", "-q", "-b", "topic")
    if made["ref"] not in ("refs/heads/topic", "refs/heads/new") and made["ref"].startswith("refs/heads/"):
        site.git("push", "-q", "origin", f"topic:{made['ref']}")
    for command in commands:
        if command == "commit":
            site.commit("second", added="a")
        else:
            site.git(*command.split())
    *_, real = heard(forge, hooked)
    assert real["ref"] == made["ref"]
    about = made.keys() - {"repository", "sender", "pusher", "installation"}
    assert about <= real.keys()
    assert {key: form(real[key], key) for key in about} == {key: form(made[key], key) for key in about}
    flags = ("created", "deleted", "forced", "base_ref")
    assert [bool(real[flag]) for flag in flags] == [bool(made[flag]) for flag in flags]
    named = real["head_commit"] and real["after"] == real["head_commit"]["id"]
    assert named == (made["head_commit"] and made["after"] == made["head_commit"]["id"])


def test_ping_greets_a_new_hook(forge: Forge, receiver: Receiver) -> None:
    forge.github.create_repository("acme/site")
    forge.github.add_hook("acme/site", receiver.url, "s3cret")
    (ping,) = heard(forge, receiver, "ping")
    assert ping["hook"]["config"]["url"] == receiver.url
    assert "s3cret" not in json.dumps(ping)
    forge.github.add_hook("acme/site", receiver.url, "rotated")
    assert [hook.secret for hook in forge.github.hooks()] == ["rotated"]


def test_hook_of_every_repository_and_its_events(forge: Forge, site: Work, receiver: Receiver) -> None:
    forge.github.add_hook(None, receiver.url, "s3cret")
    site.git("push", "-q", "origin", "main:topic")
    assert forge.github.settle()
    assert [headers["x-github-event"] for headers, _ in receiver.got] == ["ping", "push"]  # no create: not subscribed


def test_F26_lost_delivery_is_recorded_and_not_sent(forge: Forge, site: Work, hooked: Receiver) -> None:
    forge.github.drop_delivery(lambda each: each.event == "push" and each.payload["ref"] == "refs/heads/two")
    site.git("push", "-q", "origin", "main:one", "main:two")
    assert [each["ref"] for each in heard(forge, hooked)] == ["refs/heads/one"]
    lost = [each for each in forge.github.deliveries() if each.status == "lost"]
    assert [(each.payload["ref"], each.status_code) for each in lost] == [("refs/heads/two", 0)]


def test_F14_redelivery_keeps_guid_and_body(forge: Forge, site: Work, hooked: Receiver) -> None:
    site.git("push", "-q", "origin", "main:one")
    assert forge.github.settle()
    first = next(each for each in forge.github.deliveries() if each.event == "push")
    again = forge.github.redeliver(first.guid)
    assert forge.github.settle()
    assert (again.guid, again.redelivery, again.id != first.id) == (first.guid, True, True)
    bodies = [body for headers, body in hooked.got if headers["x-github-delivery"] == first.guid]
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]


def test_failed_delivery_is_not_retried(forge: Forge, site: Work, hooked: Receiver) -> None:
    hooked.status = 503
    site.git("push", "-q", "origin", "main:one")
    assert len(heard(forge, hooked)) == 1
    assert forge.github.settle()
    assert hooked.got == []
    push = next(each for each in forge.github.deliveries() if each.event == "push")
    assert (push.status_code, push.status) == (503, "Invalid HTTP Response: 503")


def test_nobody_at_the_address(forge: Forge, site: Work) -> None:
    forge.github.add_hook("acme/site", "http://127.0.0.1:1/webhook", "s3cret")
    site.git("push", "-q", "origin", "main:one")
    assert forge.github.settle()
    assert {each.status for each in forge.github.deliveries()} == {"failed to connect to host"}


def test_pusher_is_who_git_says(forge: Forge, site: Work, hooked: Receiver) -> None:
    named = forge.url.replace("://", "://mona:secret@") + "/acme/site.git"
    site.git("push", "-q", named, "main:one")
    (push,) = heard(forge, hooked)
    site.git("push", "-q", "origin", "main:two")
    (other,) = heard(forge, hooked)
    # git offers credentials only when asked for them, and nobody asks on loopback
    assert {push["pusher"]["name"], other["pusher"]["name"]} == {"acme"}
