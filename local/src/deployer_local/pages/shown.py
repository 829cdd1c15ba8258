"""Words and pictures that every page uses: times, ages, states.

Pure.
"""

import re
from datetime import UTC, datetime

_INNER_CAPITAL = re.compile("(?<=[a-z])(?=[A-Z])")
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))
# One sign for each word that GitHub or AWS has for how something stands.
_SIGNS = {
    "good": ("success", "succeeded", "complete", "open", "approved"),
    "bad": ("failure", "failed", "error", "fault", "timed_out", "rejected"),
    "busy": ("pending", "in_progress", "inprogress", "queued", "waiting", "stopping"),
}


def sign(state: str) -> str:
    """good, bad, busy or idle: how a state is drawn."""
    word = state.lower()
    for name, words in _SIGNS.items():
        if word in words:
            return name
    if word.endswith("_in_progress"):
        return "busy"
    if word.endswith("_failed") or "rollback" in word:
        return "bad"
    return "good" if word.endswith("_complete") else "idle"


def words(state: str) -> str:
    """A state as it is read: `in progress`, whether it is written IN_PROGRESS or InProgress."""
    return _INNER_CAPITAL.sub(" ", state).replace("_", " ").lower()


def clock(moment: float) -> str:
    """The time of day, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S")


def stamp(moment: float) -> str:
    """Date and time, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def age(moment: float, now: float) -> str:
    """How long ago: `5 min ago`, `just now`."""
    seconds = max(0.0, now - moment)
    for length, unit in _AGES:
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "just now"


def span(seconds: float) -> str:
    """A duration: `42 s`, `3 min 5 s`."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
