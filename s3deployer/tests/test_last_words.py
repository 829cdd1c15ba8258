"""What an archive says of itself and is not so, outputs that are none, and a result that is posted once."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from deployer.errors import Rejected
from s3deployer.archive import entries, verify
from s3deployer.deploying import MAX_OUTPUTS

from .jobs import SITE, event, zipped
from .test_deploying import ARTIFACTS, World, world

__all__ = ["world"]


def exaggerated(name: str, content: bytes) -> bytes:
    """A zip whose directory, and nothing else, says that a file is one byte longer than it is."""
    packed = bytearray(zipped({name: content}))
    directory = packed.index(b"PK\x01\x02")
    packed[directory + 24 : directory + 28] = (len(content) + 1).to_bytes(4, "little")
    return bytes(packed)


def test_F82_a_file_shorter_than_its_archive_says_is_damaged() -> None:
    content = exaggerated("app.js", b"export {}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = entries(archive.infolist(), len(content))
        with pytest.raises(Rejected, match=r"'app\.js' is damaged: 9 bytes instead of 10"):
            verify(archive, files, lambda: 60.0)


def test_outputs_too_large_to_be_outputs_are_refused_unread(world: World) -> None:
    outputs = json.dumps({"Bucket": "site-bucket", "More": "x" * MAX_OUTPUTS}).encode()
    world.put("outputs.zip", zipped({"outputs.json": outputs}))
    world.run(event(ARTIFACTS))
    [(_, message)] = world.failures
    assert message == "outputs.json is larger than 1048576 bytes"
    assert world.objects() == {}


def test_F81_the_deadline_is_silent_after_a_result(world: World) -> None:
    world.run(event(ARTIFACTS))
    assert world.ring is not None
    world.ring()
    assert (len(world.successes), world.failures) == (1, [])
    assert world.objects() == SITE
