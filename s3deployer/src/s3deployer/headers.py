"""What each object is served with: its type, how long it may be kept, and what the pipeline adds.

Pure. Patterns are as everywhere in the deployer: ``*`` stands for slashes too; they are held against a file's path in
the site, without the prefix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import splitext

from deployer.patterns import matches
from s3deployer.content_types import content_type
from s3deployer.parameters import Parameters

# A year is the longest that caches take: https://www.rfc-editor.org/rfc/rfc8246 (immutable)
FOR_EVER = "public, max-age=31536000, immutable"
# Kept, but asked for again each time: a 304 costs no body.
ASK_AGAIN = "no-cache"

# What build tools put into a name: hexadecimal (webpack, Parcel, CRA), or eight characters of base64url (Vite, Rollup)
# or base32 (esbuild, Angular). A date, a word or a word with a year is none of them.
_HEXADECIMAL = re.compile(r"(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{8,64}")
_BASE32 = re.compile(r"(?=[A-Z2-7]*[A-Z])(?=[A-Z2-7]*[2-7])[A-Z2-7]{8}")
_BASE64 = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9_-]{8}")
_PARTED = re.compile(r"[.\-_~]")
# Only these are made by tools alone; a photograph may be called anything.
_BUNDLED = {".js", ".mjs", ".cjs", ".css", ".map", ".wasm", ".woff", ".woff2"}
_PAGES = {".html", ".htm", ".xhtml"}


def headers_of(name: str, parameters: Parameters) -> Mapping[str, str]:
    """The headers of a file, by its path in the site; metadata without its ``x-amz-meta-``."""
    cache = next((value for pattern, value in parameters.cache_control if matches(name, (pattern,))), None)
    headers = {"Content-Type": content_type(name), "Cache-Control": cache_control(name) if cache is None else cache}
    for pattern, given in parameters.headers:
        if matches(name, (pattern,)):
            headers.update(given)
    return {name: value for name, value in headers.items() if value}


def cache_control(name: str) -> str:
    """How long a file may be kept where the pipeline does not say: for ever if its name holds a hash of its content."""
    return FOR_EVER if hashed(name) else ASK_AGAIN


def hashed(name: str) -> bool:
    """Whether a build tool put a hash into the name; in doubt it did not: what is kept for a year can't be taken back.

    Pages never are: their addresses are what people know.
    """
    stem, suffix = splitext(name.rpartition("/")[2])
    suffix = suffix.lower()
    if suffix in _PAGES:
        return False
    if any(_HEXADECIMAL.fullmatch(part) for part in _PARTED.split(stem)[1:]):
        return True
    # base64url has - and _ of its own, so it is what follows the first separator eight characters from the end.
    last = stem.removesuffix(".chunk").removesuffix(".min")
    if suffix not in _BUNDLED or len(last) < 10 or last[-9] not in ".-_":
        return False
    return bool(_BASE32.fullmatch(last[-8:]) or _BASE64.fullmatch(last[-8:]))
