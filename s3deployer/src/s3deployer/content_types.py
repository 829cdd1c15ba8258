"""Which Content-Type a file is published with.

Our own table over the standard library's built-in one: the machine's mime database is never asked, so that the same
file has the same type everywhere. Text is UTF-8.
"""

from __future__ import annotations

import mimetypes
from posixpath import splitext

DEFAULT = "application/octet-stream"

# What the web wants and the standard library does not know, or knows otherwise in one of the supported Pythons.
# Sources: https://www.iana.org/assignments/media-types, https://www.rfc-editor.org/rfc/rfc9239 (JavaScript)
_OURS = {
    ".atom": "application/atom+xml",
    ".avif": "image/avif",
    ".cjs": "text/javascript",
    ".css": "text/css",
    ".csv": "text/csv",
    ".eot": "application/vnd.ms-fontobject",
    ".geojson": "application/geo+json",
    ".gif": "image/gif",
    ".htm": "text/html",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".ics": "text/calendar",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".jxl": "image/jxl",
    ".m4a": "audio/mp4",
    ".m4v": "video/mp4",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".ogg": "audio/ogg",
    ".otf": "font/otf",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".rss": "application/rss+xml",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".vtt": "text/vtt",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xhtml": "application/xhtml+xml",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}

_TEXTUAL = {
    "application/atom+xml",
    "application/geo+json",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/rss+xml",
    "application/toml",
    "application/xhtml+xml",
    "application/xml",
    "application/yaml",
    "image/svg+xml",
}

# Empty file names: the table that ships with Python, and no file of the machine.
_STANDARD = mimetypes.MimeTypes(filenames=())


def content_type(name: str) -> str:
    """The type of a path in an archive, with ``charset=utf-8`` for text."""
    suffix = splitext(name)[1].lower()
    found = _OURS.get(suffix) or _STANDARD.types_map[True].get(suffix) or DEFAULT
    return f"{found}; charset=utf-8" if found.startswith("text/") or found in _TEXTUAL else found
