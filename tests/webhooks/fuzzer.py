"""The process that libFuzzer runs in: the listener and the layer instrumented, an input at a time checked.

Source: https://github.com/google/atheris#readme
"""

from __future__ import annotations

import sys

import atheris

# What `startswith` asks for is told to the fuzzer. Its hook for patterns breaks those that json uses.
atheris.enabled_hooks.add("str")

with atheris.instrument_imports(include=["listener", "deployer"]):
    from tests.webhooks.target import check


def main() -> None:
    """Run libFuzzer with the arguments that this process was given; never comes back."""
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
