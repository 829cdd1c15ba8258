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

# What build tools put into a name: hexadecimal (webpack, Parcel, CRA; md5 and sha too), or eight characters of
# base64url (Vite, Rollup) or base32 (esbuild, Angular). No date, no word with a number, no id of a database.
_HEXADECIMAL = re.compile(r"(?!(?:19|20)\d\d)(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]+")
_LENGTHS = {8, 10, 12, 16, 20, 32, 40, 64}
_BASE32 = re.compile(r"(?=[A-Z2-7]*[A-Z])(?=[A-Z2-7]*[2-7])[A-Z2-7]{8}")
_BASE64 = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9_-]{8}")
_WORD_AND_NUMBER = re.compile(r"[A-Za-z_-]+[0-9]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PARTED = re.compile(r"[.\-_~]")
# Eight characters are believed only of what tools alone name; a photograph may be called anything.
_BUNDLED = frozenset((".js", ".mjs", ".cjs", ".css", ".map", ".wasm", ".woff", ".woff2"))
_MEDIA = frozenset((".avif", ".gif", ".ico", ".jpeg", ".jpg", ".mp4", ".otf", ".png", ".svg", ".ttf", ".webm", ".webp"))


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

    Pages and data never are: their addresses are what people and programs know.
    """
    stem, suffix = splitext(name.rpartition("/")[2])
    suffix = suffix.lower()
    if suffix not in _BUNDLED | _MEDIA or _UUID.search(stem):
        return False
    if any(len(part) in _LENGTHS and _HEXADECIMAL.fullmatch(part) for part in _PARTED.split(stem)[1:]):
        return True
    # base64url has - and _ of its own, so it is what follows the separator before the last eight characters.
    last = stem.removesuffix(".chunk").removesuffix(".min")
    if suffix not in _BUNDLED or len(last) < 10 or last[-9] not in ".-_":
        return False
    code = last[-8:]
    return bool(_BASE32.fullmatch(code) or _BASE64.fullmatch(code)) and not _WORD_AND_NUMBER.fullmatch(code)
