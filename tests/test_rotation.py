"""F18: the webhook's secret is rotated while deliveries come in, and none is refused.

First every order of what GitHub, the listeners and the one who rotates may do, over secrets in memory; then the
command against an engine, with real webhooks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from greenlet import greenlet
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.webhooks.endpoints import sign
from typer.testing import CliRunner

from deployer.errors import Broken
from deployer.github_wire import Wire
from deployer.rotation import FORMER_FOR, PREVIOUS
from deployer_cli.config.names import GITHUB_HMAC
from deployer_cli.config.parameters import Description
from deployer_cli.config.rotation import begin
from deployer_cli.main import app
from deployer_local.engine import Engine
from listener.signature import Verifier

BODY = b"{}"


@dataclass
class World:
    """Time, secrets in memory and what GitHub signs with. ``interrupt``: called before each change."""

    now: float = 1_000_000.0
    kept: dict[str, tuple[str, float]] = field(default_factory=dict)
    hooks: list[str] = field(default_factory=lambda: ["old", "old"])
    interrupt: Callable[[], None] = lambda: None

    # As the command sees it.

    def get(self, name: str) -> str:
        if name not in self.kept:
            raise Broken(name)
        return self.kept[name][0]

    def put(self, name: str, value: str, key: str = "") -> None:
        self.interrupt()
        self.kept[name] = (value, self.now)

    def describe(self, name: str) -> Description | None:
        found = self.kept.get(name)
        return Description(name, datetime.fromtimestamp(found[1], UTC), "", 1) if found else None

    def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.interrupt()

    # As a listener sees it besides.

    def age(self, name: str) -> float:
        return self.now - self.kept[name][1]

    def forget(self, name: str) -> None:
        """Nothing is kept here."""

    def rotate(self) -> None:
        """As the command does it."""
        begun = begin(self, datetime.fromtimestamp(self.now, UTC), lambda: f"new at {self.now}")
        self.sleep(begun.settles_in)
        for number in range(len(self.hooks)):
            self.interrupt()
            self.hooks[number] = begun.secret


# What happens between two steps of the rotation: time goes by, a delivery or a forgery comes to one of the listeners.
MOVES = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0.0, 1.0, 29.0, 31.0, 299.0, 301.0])),
    st.tuples(st.just("deliver"), st.integers(0, 1), st.integers(0, 2)),
    st.tuples(st.just("forge"), st.integers(0, 2)),
    st.tuples(st.just("kill")),
    st.tuples(st.just("finish")),
    st.tuples(st.just("step"), st.integers(1, 3)),
)


@settings(max_examples=400, deadline=None)
@given(moves=st.lists(MOVES, min_size=5, max_size=60), inside=st.lists(st.booleans(), max_size=40))
def test_F18_no_delivery_is_refused_whatever_happens_in_whichever_order(
    moves: list[tuple[object, ...]], inside: list[bool]
) -> None:
    """``inside``: whether the rotation takes a step in the midst of a listener's reading."""
    world = World(kept={GITHUB_HMAC: ("old", 0.0)})
    main = greenlet.getcurrent()
    running: list[greenlet] = []

    def pause() -> None:
        if greenlet.getcurrent() is not main:
            main.switch()

    def step() -> None:
        if not running or running[0].dead:
            running[:] = [greenlet(world.rotate)]
        running[0].switch()

    listeners = [Verifier(Reading(world, inside, step), GITHUB_HMAC, lambda: world.now) for _ in range(3)]

    def deliver(hook: int, listener: int) -> None:
        secret = world.hooks[hook]
        digest = sign(BODY, secret).removeprefix("sha256=")
        assert listeners[listener].verify(BODY, digest), f"signed with {secret}, valid are {world.kept}"

    world.interrupt = pause
    spent = 0.0
    for move in moves:
        match move:
            case ("wait", float(seconds)) if spent + seconds < FORMER_FOR / 2:
                world.now += seconds
                spent += seconds
            case ("deliver", int(hook), int(listener)):
                deliver(hook, listener)
            case ("forge", int(listener)):
                assert not listeners[listener].verify(BODY, "0" * 64)
            case ("kill",) if running and not running[0].dead:
                running[0].throw()
            case ("finish",) if set(world.hooks) == {world.kept[GITHUB_HMAC][0]}:
                if not running or running[0].dead:
                    world.kept.pop(GITHUB_HMAC + PREVIOUS, None)
            case ("step", int(steps)):
                for _ in range(steps):
                    step()
    for number in range(2):
        for listener in range(3):
            deliver(number, listener)


class Reading:
    """The secrets as a listener reads them: between two of its calls the rotation may go on."""

    def __init__(self, world: World, inside: list[bool], step: Callable[[], None]) -> None:
        self._world, self._inside, self._step = world, list(inside), step

    def get(self, name: str) -> str:
        if self._inside and self._inside.pop():
            self._step()
        if name not in self._world.kept:
            raise Broken(name)
        return self._world.kept[name][0]

    def age(self, name: str) -> float:
        return self._world.age(name)

    def forget(self, name: str) -> None:
        """Nothing is kept here."""


def test_F18_on_the_engine_none_is_lost(installed: Engine) -> None:
    """Two repositories' webhooks ping the deployer all the while; the listeners are those that AWS would run."""
    for hook in installed.github.hooks():
        installed.github.remove_hook(hook.id)
    wire = Wire(installed.github_url, lambda: installed.github_token)
    names = ["acme/one", "acme/two"]
    where = ["--local", "--data", str(installed.data)]
    for name in names:
        installed.github.create_repository(name)
        assert CliRunner().invoke(app, ["webhook", "add", name, *where]).exit_code == 0
    before = installed.client("ssm").get_parameter(Name=GITHUB_HMAC, WithDecryption=True)["Parameter"]["Value"]
    first = max(each.id for each in installed.github.deliveries())
    over = threading.Event()

    def flow() -> None:
        while not over.wait(0.25):
            for name, hook in zip(names, installed.github.hooks(), strict=True):
                wire.post(f"repos/{name}/hooks/{hook.id}/pings", None, also=frozenset({204}))

    flowing = threading.Thread(target=flow)
    flowing.start()
    try:
        done = CliRunner().invoke(
            app, ["config", "rotate", "hmac", "--repo", names[0], "--repo", names[1], "--json", *where]
        )
    finally:
        over.set()
        flowing.join()
    assert done.exit_code == 0, done.output
    assert [each["verdict"] for each in json.loads(done.stdout)["findings"]] == ["right", "right"]
    assert installed.github.settle()
    sent = [each for each in installed.github.deliveries() if each.id > first]
    assert len(sent) > 100
    assert {each.status_code for each in sent} == {200}

    secret = installed.client("ssm").get_parameter(Name=GITHUB_HMAC, WithDecryption=True)["Parameter"]["Value"]
    former = installed.client("ssm").get_parameter(Name=GITHUB_HMAC + PREVIOUS, WithDecryption=True)
    assert (secret != before, former["Parameter"]["Value"]) == (True, before)
    assert {hook.secret for hook in installed.github.hooks()} == {secret}
    assert secret not in done.output
    assert before not in done.output

    again = CliRunner().invoke(app, ["config", "rotate", "--repo", names[0], *where])
    assert again.exit_code == 0, again.output
    assert "going on with the rotation that is under way" in again.stderr
    assert "ends it" in again.stderr
    assert "when `deployer local up` starts next" in again.stderr
    shut = CliRunner().invoke(app, ["config", "rotate", "--repo", "acme/nothing", *where])
    assert (shut.exit_code, "✗ webhook of acme/nothing: " in shut.stdout) == (1, True)
    for said in ("the former secret has ended", "there is n"):
        assert said in CliRunner().invoke(app, ["config", "rotate", "--finish", *where]).stderr
    other = CliRunner().invoke(app, ["config", "rotate", "slack", *where])
    assert (other.exit_code, "`deployer config set slack`" in other.stderr) == (1, True)
