"""How environments are shown: to people as lines and colours, to programs as JSON. Pure.

Names, reasons and messages come from outside: none of them gets to steer a terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from deployer.lengths import cut
from deployer.refs import TAGS
from deployer_cli.everyday.judge import Line, Report, State
from deployer_cli.output import plain

Link = Callable[[str], str]
_MARKS = {State.SUCCESS: "\N{CHECK MARK}", State.FAILURE: "\N{BALLOT X}", State.PENDING: "\N{BULLET}", State.NONE: "-"}
_STYLES = {State.SUCCESS: "green", State.FAILURE: "red", State.PENDING: "yellow", State.NONE: "dim"}
_LONGEST = 200


def duration(seconds: int | None) -> str:
    """How long something took, in the two largest units: ``45 s``, ``3 min 5 s``, ``2 h``, ``12 d``."""
    if seconds is None:
        return ""
    left, parts = max(0, seconds), list[str]()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def age(now: int, then: int) -> str:
    """How long ago something was, in its largest unit; empty where it is not known. Milliseconds since the epoch."""
    return " ".join(duration((now - then) // 1000).split()[:2]) if then else ""


def moment(milliseconds: int) -> str | None:
    """A time as ISO 8601 has it; None where it is not known."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds") if milliseconds else None


def state_text(state: State) -> Text:
    """A state with its mark and its colour."""
    return Text(f"{_MARKS[state]} {state}", _STYLES[state])


COLUMNS = ("", "state", "", "took")


def rows(report: Report) -> list[list[str | Text]]:
    """A row for the preparation and for each stage."""
    return [[line.name, state_text(line.state), _cut(line.text), duration(line.seconds)] for line in report.lines]


def heading(report: Report) -> str:
    """What is reported on, in one line."""
    seen = report.seen
    commit = f" at {report.commit[:7]}" if report.commit else ""
    release = seen.item.ref.removeprefix(TAGS) if seen.item and seen.item.ref.startswith(TAGS) else ""
    label = f"{seen.id.label} {release}".strip()
    return plain(f"{seen.repository.full_name} {label}{commit}: {_cut(report.reason)}")


def links(report: Report, link: Link) -> list[tuple[str, str]]:
    """Where to go on from here: what it is, where it is."""
    found = [("Run", flow.url) for flow in report.flows if flow.run]
    found += [(line.name, line.url) for line in report.lines if line.state is State.FAILURE and line.url]
    found += [("Approve", line.url) for line in report.lines if line.waits]
    shown = dict.fromkeys((name, plain(link(url))) for name, url in found if url)
    served = [("Serves", plain(report.seen.served))] if report.seen.served else []
    return [(name, url) for name, url in shown if url] + served


LIST_COLUMNS = ("environment", "repository", "commit", "prepared", "run", "stages", "age", "serves")


def list_row(report: Report) -> list[str | Text]:
    """A row of the list of environments."""
    seen = report.seen
    run = report.flows[0].state if report.flows else ""
    stages = [line for flow in report.flows for line in flow.lines]
    marks = Text(" ").join(Text(f"{_MARKS[line.state]} {plain(line.name)}", _STYLES[line.state]) for line in stages)
    item = seen.item
    return [
        seen.id.label,
        seen.repository.full_name,
        report.commit[:7],
        state_text(report.preparation.state) if report.preparation else "",
        run or ("removing" if item and not item.present else ""),
        marks,
        age(seen.now, item.touched if item else 0),
        seen.served,
    ]


def as_json(report: Report, link: Link) -> dict[str, Any]:
    """The shape that docs/cli.md documents; it only ever gains members."""
    seen = report.seen
    item = seen.item
    return {
        "environment": seen.id.label,
        "stage": str(seen.id.stage),
        "repository": seen.repository.full_name,
        "ref": item.ref if item else None,
        "commit": report.commit or None,
        "state": str(report.state),
        "reason": report.reason,
        "preparation": _line(report.preparation, link) if report.preparation else None,
        "pipelines": [
            {
                "name": flow.pipeline,
                "run": flow.run or None,
                "state": flow.state or None,
                "url": link(flow.url) or None,
                "stages": [_line(line, link) for line in flow.lines],
            }
            for flow in report.flows
        ],
        "stack": item.stack if item else None,
        "url": seen.served or None,
        "parked": seen.place.reason if seen.place else None,
        "touched": moment(item.touched) if item else None,
    }


def _line(line: Line, link: Link) -> dict[str, Any]:
    return {
        "name": line.name,
        "state": str(line.state),
        "reason": line.text,
        "seconds": line.seconds,
        "url": link(line.url) or None,
    }


def _cut(text: str) -> str:
    return cut(" ".join(text.split()), _LONGEST)
