"""Ask what was deployed whether it is there, and whether it is this commit: run by the pipeline's last stage."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

COMMIT = Path(__file__).parent / ".deployer" / "commit.json"
# A new API takes some seconds until it answers everywhere.
ATTEMPTS, PAUSE = 10, 3.0


def ask(url: str) -> Any:
    """The JSON at an address."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def problem(url: str, commit: str) -> str:
    """What is wrong there, or empty."""
    try:
        served = ask(url)["commit"]
        said = ask(f"{url}greetings/Ada")["greeting"]
    except (urllib.error.URLError, TimeoutError, ValueError, KeyError) as error:
        return f"{url} does not answer as it should: {error!r}"
    if served != commit:
        return f"{url} serves {served}, not {commit}"
    return "" if said == "Hello, Ada!" else f"{url} greets with {said!r}"


def main() -> int:
    """Try until it is right, or for half a minute."""
    url, commit = os.environ["URL"], json.loads(COMMIT.read_text())["commit"]
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        found = problem(url, commit)
        print(found or f"{url} serves {commit}")
        if not found:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
