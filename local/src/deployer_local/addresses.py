"""What is a web address. Pure."""

from urllib.parse import urlsplit


def is_web_address(text: str) -> bool:
    """Whether this is an http(s) URL with a host: nothing else may become a link, or be called."""
    try:
        found = urlsplit(text)
    except ValueError:
        return False
    return found.scheme in {"http", "https"} and bool(found.hostname)
