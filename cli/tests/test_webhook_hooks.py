"""A ping that GitHub shows late, or never; and where webhooks go."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deployer.github_wire import Answer
from deployer_cli.checkout import FullName
from deployer_cli.place import Place
from deployer_cli.webhooks.hooks import PATIENCE, PAUSE, Hooks
from deployer_cli.webhooks.settings import Hook
from deployer_deploy.configuration import Configuration
from deployer_deploy.target import Target

HOOK = Hook(7, "https://x/webhook", "json", "0", secret=True, active=True, events=("push",))


@dataclass
class Late:
    """A GitHub that lists a ping after so many looks. ``looks``: how often its deliveries were read."""

    after: int
    looks: int = 0
    posted: list[str] = field(default_factory=list)

    def get(self, _path: str) -> Answer:
        self.looks += 1
        ping = {"id": 2, "delivered_at": "now", "event": "ping", "status_code": 200, "status": "OK"}
        older = ping | {"id": 1, "status_code": 401}
        return Answer(200, {}, json.dumps([ping, older] if self.looks > self.after else [older]).encode())

    def post(self, path: str, _payload: None, *, also: frozenset[int]) -> Answer:
        self.posted.append(path)
        return Answer(204, {}, b"")


@pytest.mark.parametrize(("after", "code"), [(1, 200), (4, 200), (1000, None)], ids=["at-once", "late", "never"])
def test_a_ping_is_waited_for(after: int, code: int | None) -> None:
    wire: Any = Late(after)
    slept: list[float] = []
    found = Hooks(wire, FullName("acme", "site"), slept.append).ping(HOOK)
    assert (found.code if found else None) == code
    assert wire.posted == ["repos/acme/site/hooks/7/pings"]
    assert slept == [PAUSE] * min(after - 1, int(PATIENCE / PAUSE))


def test_where_webhooks_and_people_go_on_aws() -> None:
    place = Place(Target(region="eu-central-1"), Configuration(), {"GH_TOKEN": "ghp_x"})
    vars(place)["outputs"] = {"Endpoint": "https://x/prod/webhook"}
    assert place.endpoint == "https://x/prod/webhook"
    assert (place.region, place.where) == ("eu-central-1", "in eu-central-1")
    assert (place.github_api_url, place.github_url) == ("https://api.github.com", "https://github.com")
    assert place.github


def test_commands_speak_to_github_as_the_deployer_where_nobody_brings_a_token() -> None:
    place = Place(Target(region="eu-central-1"), Configuration(), {})
    assert place.github
    assert place.own_token == ""


@pytest.mark.parametrize(
    ("variables", "file", "profile"),
    [
        pytest.param({}, "[opolis-deployer]\n", "opolis-deployer", id="the-originals-profile"),
        pytest.param({}, "[other]\n", None, id="no-such-profile"),
        pytest.param({"AWS_PROFILE": "other"}, "[opolis-deployer]\n", None, id="another-was-chosen"),
        pytest.param({"AWS_ACCESS_KEY_ID": "x"}, "[opolis-deployer]\n", None, id="credentials-are-at-hand"),
    ],
)
def test_the_originals_profile_is_taken_where_no_other_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], file: str, profile: str | None
) -> None:
    (tmp_path / "credentials").write_text(file)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert Place.aws(Configuration(), variables, None, None).target.profile == profile
