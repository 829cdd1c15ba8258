"""The sites that are published: archives as builds leave them, the same unpacked, what a bucket must hold then."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stand_in.store import etag_of_parts, md5

MB = 1 << 20


@dataclass(frozen=True)
class Site:
    """``folder``: the archive unpacked; None where it is not."""

    archive: Path
    objects: int
    folder: Path | None = None

    def differs(self, content: Iterable[tuple[str, int, str, str, list[int]]]) -> str:
        """What is wrong with a bucket's content (key, size, ETag, type, sizes of its parts); empty: nothing."""
        found = {key: (size, etag, parts) for key, size, etag, _, parts in content}
        with zipfile.ZipFile(self.archive) as archive:
            if wrong := set(found) ^ set(archive.namelist()):
                return f"{len(wrong)} keys are missing or too many, one is {sorted(wrong)[0]}"
            for info in archive.infolist():
                size, etag, parts = found[info.filename]
                with archive.open(info) as stream:
                    digests = [md5(stream.read(part)) for part in parts or [info.file_size]]
                if (size, etag) != (info.file_size, etag_of_parts(digests) if parts else digests[0]):
                    return f"{info.filename} has other content"
        return ""


def small(folder: Path, objects: int, size: int = 10_000) -> Site:
    """A site of text files that compress to a third or so, a tenth of them pages."""
    return _written(folder, _texts(objects, size), zipfile.ZIP_DEFLATED, 6, unpacked=True)


def large(folder: Path, megabytes: int) -> Site:
    """A site that does not compress: a fifth in one file, two fifths in files of 4 MB, two in files of 1 MB."""
    # Level 0: deflate's own framing without the search for what is not there.
    return _written(folder, _noise(megabytes), zipfile.ZIP_DEFLATED, 0, unpacked=False)


def _texts(objects: int, size: int) -> Iterator[tuple[str, bytes]]:
    chosen = random.Random(objects)  # noqa: S311 - the same site each time
    words = ["".join(chosen.choices("abcdefghijklmnopqrstuvwxyz", k=chosen.randint(2, 11))) for _ in range(4000)]
    yield "index.html", b"<!doctype html><title>A site</title>"
    for number in range(1, objects):
        suffix = "html" if number % 10 == 0 else ("js", "css", "json", "svg")[number % 4]
        text = " ".join(chosen.choices(words, k=size // 7 + 1))
        yield f"assets/{number % 50:02}/{number:06}.{suffix}", text.ljust(size)[:size].encode()


def _noise(megabytes: int) -> Iterator[tuple[str, bytes]]:
    chosen = random.Random(megabytes)  # noqa: S311 - the same site each time
    yield "index.html", b"<!doctype html><title>A site</title>"
    yield "film.mp4", chosen.randbytes(megabytes * MB // 5)
    for number in range(megabytes // 10):
        yield f"pictures/{number:04}.jpg", chosen.randbytes(4 * MB)
    for number in range(megabytes * 2 // 5):
        yield f"thumbnails/{number:04}.jpg", chosen.randbytes(MB)


def _written(folder: Path, files: Iterable[tuple[str, bytes]], compression: int, level: int, *, unpacked: bool) -> Site:
    folder.mkdir(parents=True)
    path, count = folder / "site.zip", 0
    with zipfile.ZipFile(path, "w", compression, compresslevel=level) as archive:
        for name, body in files:
            archive.writestr(name, body)
            if unpacked:
                file = folder / "unpacked" / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(body)
            count += 1
    return Site(path, count, folder / "unpacked" if unpacked else None)
