"""What the API is about. Pure."""

from __future__ import annotations

LANGUAGES = {"en": "Hello, {name}!", "de": "Hallo, {name}!", "fr": "Bonjour, {name} !"}


def greet(name: str, language: str) -> str:
    """A greeting in one of `LANGUAGES`."""
    return LANGUAGES[language].format(name=name)
