"""What concerns the token itself: its user, and how many calls are left.

https://docs.github.com/rest/rate-limit/rate-limit and https://docs.github.com/rest/users/users#get-the-authenticated-user
"""

import threading
from dataclasses import dataclass

from deployer_local.github import shapes
from deployer_local.github.repositories import Clock, iso
from deployer_local.github.shapes import Json

from .exchange import Answer, Call, Route, route

_HOUR = 3600
_OF_PRIVATE_USER: Json = {
    "name": None,
    "company": None,
    "blog": "",
    "location": None,
    "email": None,
    "hireable": None,
    "bio": None,
    "public_repos": 0,
    "public_gists": 0,
    "followers": 0,
    "following": 0,
    "private_gists": 0,
    "disk_usage": 0,
    "owned_private_repos": 0,
    "collaborators": 0,
    "two_factor_authentication": False,
}


@dataclass(frozen=True)
class Left:
    """The primary rate limit after a call. `reset` in seconds since the epoch."""

    limit: int
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        """Calls left until the reset."""
        return max(0, self.limit - self.used)

    def headers(self) -> dict[str, str]:
        """The five X-RateLimit headers."""
        values = {"limit": self.limit, "remaining": self.remaining, "used": self.used, "reset": self.reset}
        return {f"X-RateLimit-{key.title()}": str(value) for key, value in values.items()} | {
            "X-RateLimit-Resource": "core"
        }


class RateLimit:
    """Counts the calls of the hour. Held in memory: a restart begins a new hour."""

    def __init__(self, limit: int, clock: Clock) -> None:
        """`limit`: calls an hour."""
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._used = 0
        self._reset = 0

    def take(self, calls: int) -> Left | None:
        """Counts `calls`; None when they are more than are left. Zero only asks."""
        with self._lock:
            now = int(self._clock())
            if now >= self._reset:
                self._used, self._reset = 0, now + _HOUR
            if self._used + calls > self._limit:
                return None
            self._used += calls
            return Left(self._limit, self._used, self._reset)

    def give_back(self, calls: int) -> None:
        """Uncounts calls: an answer of 304 costs nothing."""
        with self._lock:
            self._used = max(0, self._used - calls)

    def spent(self) -> Left:
        """The state when nothing is left."""
        return Left(self._limit, self._limit, self._reset)


def user(call: Call) -> Answer:
    """GET /user."""
    forge = call.forge
    simple = shapes.user(call.urls, forge.login, forge.repositories.user_id(forge.login))
    dates = {"created_at": iso(0), "updated_at": iso(0)}
    return Answer(
        simple
        | {"user_view_type": "private"}
        | _OF_PRIVATE_USER
        | {"total_private_repos": len(forge.repositories.all())}
        | dates
    )


def rate_limit_body(left: Left) -> Json:
    """`rate-limit-overview`."""
    core = {"limit": left.limit, "used": left.used, "remaining": left.remaining, "reset": left.reset}
    rest = {"limit": 0, "used": 0, "remaining": 0, "reset": left.reset}
    return {"resources": {"core": core, "search": rest}, "rate": core}


ROUTES: tuple[Route, ...] = (route("GET", "/user", user),)
