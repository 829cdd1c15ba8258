"""What happens, as lines: for where nobody draws it."""

from __future__ import annotations

from deployer_deploy.progress import Event, Packaged, StackFailed, StackFinished, StackStarted, Uploaded


def describe(event: Event) -> str:
    """One line for people."""
    match event:
        case Packaged(part, _, size, seconds):
            return f"{part}: packaged, {size:,} bytes, {seconds:.2f} s"
        case Uploaded(part, key, fresh):
            return f"{part}: {'uploaded' if fresh else 'already there'} {key}"
        case StackStarted(_, stack, operation):
            return f"{stack}: {operation} ..."
        case StackFinished(_, stack, outcome, seconds):
            return f"{stack}: {outcome}, {seconds:.1f} s"
        case StackFailed(_, stack, seconds):  # pragma: no branch - mypy holds the match complete
            return f"{stack}: failed, {seconds:.1f} s"
