"""What is a web address, and where this machine serves an API's endpoint. Pure."""

from urllib.parse import urlsplit


def is_web_address(text: str) -> bool:
    """Whether this is an http(s) URL with a host: nothing else may become a link, or be called."""
    try:
        found = urlsplit(text)
    except ValueError:
        return False
    return found.scheme in {"http", "https"} and bool(found.hostname)


def webhook_url(aws_url: str, api: str, stage: str) -> str:
    """Where the emulated API Gateway serves an API's stage; its own host name leads nowhere on this machine."""
    return f"{aws_url}/_aws/execute-api/{api}/{stage}/webhook"
