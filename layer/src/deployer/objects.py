"""S3's objects by the thousand: write, read by ranges, list and delete keys, at a tenth of boto3's processor time.

Over obstore, the Rust object_store. It knows paths, not every key that S3 takes: no ``a//b``, no ``dir/``, no versions;
for those ``deployer.buckets`` goes through boto3. One page or object a call; order, loops and deadlines belong to the
functions. Everything here may be used by several threads, but for ``ObjectReader``.
"""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Any

import obstore
from obstore.exceptions import BaseError, GenericError, InvalidPathError, PreconditionError
from obstore.store import S3Store

from deployer.buckets import PAGE, Changed, Gone
from deployer.errors import Broken, DeployerError, Rejected, Transient

PART = 5 << 20  # bytes, the least that S3 takes; it takes 10,000 of them
BLOCK = 1 << 20  # bytes that are read at a time
PIECE = 256 << 10  # bytes that are handed over at a time; the client makes parts of them
_AT_ONCE = 1  # parts of one object on their way together: each is in memory

_NO_BUCKET = "<Code>NoSuchBucket</Code>"
_CODE = re.compile(r"<Code>(\w+)</Code>|\(code: (\w+)\)")
_STATUS = re.compile(r"status code: (\d{3})")
_KEPT = re.compile(r"request failed for key (.+?): (.*?) \(code: (\w+)\)")
# S3 may answer 200 to a DeleteObjects and say so of a key: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_AGAIN = {"InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown"}
_RETRIES: Any = {
    "max_retries": 4,
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2},
    "retry_timeout": timedelta(seconds=20),
}


class OddKey(Rejected):
    """A key that has no path: ``a//b``, ``/a``, ``./a``. S3 takes it, this client does not."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What requests are signed with. Its repr shows nothing."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


def _store(bucket: str, keys: Keys | None, headers: Mapping[str, str]) -> S3Store:
    options: Any = {
        "connect_timeout": timedelta(seconds=3),
        "timeout": timedelta(seconds=15),
        # Region, endpoint and, without keys, the role's credentials come from the environment, as boto3 has them. Its
        # endpoint is https unless somebody sets another.
        "allow_http": True,
        "default_headers": dict(headers),
    }
    # Buckets that lock objects by default take none without a checksum; it is the one of the signature.
    given: dict[str, Any] = {"checksum_algorithm": "SHA256"}
    if keys:
        given |= {"access_key_id": keys.access_key_id, "secret_access_key": keys.secret_access_key}
        given |= {"session_token": keys.session_token}
    region = os.environ.get("AWS_REGION", "")
    if region.startswith("cn-"):  # the client knows the other partitions' domain alone
        given["endpoint"] = f"https://s3.{region}.amazonaws.com.cn"
    # Path style: a bucket's name with dots in it fits no certificate.
    return S3Store(bucket, client_options=options, retry_config=_RETRIES, virtual_hosted_style_request=False, **given)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """obstore's errors as ours, without them: their texts hold S3's whole answer, and that may quote a token."""
    try:
        yield
    except InvalidPathError:
        raise OddKey(f"{doing}: a key that is no path") from None
    except ValueError as error:
        if "parse path" not in str(error):
            raise
        raise OddKey(f"{doing}: a key that is no path") from None
    except PreconditionError:
        raise Changed(f"{doing}: replaced while it was read") from None
    except FileNotFoundError as error:
        if _NO_BUCKET in str(error):
            raise Gone(f"{doing}: no such bucket") from None
        raise Broken(f"{doing}: there is no such object") from None
    except BaseError as error:
        raise _refusal(doing, error) from None
    except BaseException as error:
        # A panic of Rust is no Exception, and nobody's whole process is to end for it.
        if type(error).__name__ != "PanicException":
            raise
        raise Broken(f"{doing}: the client failed ({error})") from None


def _refusal(doing: str, error: BaseError) -> DeployerError:
    text = str(error)
    found, answered = _CODE.search(text), _STATUS.search(text)
    code = next((group for group in found.groups() if group), "") if found else ""
    status = int(answered[1]) if answered else 0
    if not found and not answered:
        return Transient(f"{doing}: S3 did not answer ({type(error).__name__})")
    if code in _AGAIN or status >= 500 or status == 429:
        return Transient(f"{doing}: S3 answered {code or status}")
    if kept := _KEPT.search(text):
        return Rejected(f"{doing}: S3 kept {kept[1]!r}: {code}: {kept[2]}")
    return Broken(f"{doing}: S3 answered {code or status}")


class _Parts:
    """A stream in parts, read by a thread of its own: what obstore asks from within a call can't call it again, and the
    stream may be an object that is read through it.

    The stream's own error is kept: obstore passes on no more than its text.
    """

    def __init__(self, stream: IO[bytes], reader: Executor) -> None:
        self._stream, self._reader = stream, reader
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            while part := self._reader.submit(self._stream.read, PIECE).result():
                yield part
        except Exception as error:
            self.error = error
            raise


class Objects:
    """The objects of one bucket. ``owner``: the account that must own it, 12 digits; S3 itself refuses another's.

    ``keys``: what requests are signed with, instead of the function's own role.

    Every call raises ``Gone`` where there is no such bucket, ``Transient`` where it may be repeated (it was, a few
    times), ``Broken`` where it was refused, ``OddKey`` where a key has no path.
    """

    def __init__(self, bucket: str, owner: str = "", keys: Keys | None = None) -> None:
        self.name, self._keys = bucket, keys
        self._store = _store(bucket, keys, {"x-amz-expected-bucket-owner": owner} if owner else {})

    def put(self, key: str, body: bytes | bytearray, headers: Mapping[str, str]) -> str:
        """Write one object, whole; answers with its ETag.

        ``headers``: Content-Type, Cache-Control, Content-Disposition, Content-Encoding, Content-Language; any other
        name becomes metadata (``x-amz-meta-…``).
        """
        with _translated(f"writing {self.name}/{key}"):
            written = obstore.put(self._store, key, body, attributes=dict(headers), use_multipart=False)
        return written["e_tag"] or ""

    def upload(self, key: str, stream: IO[bytes], headers: Mapping[str, str]) -> str:
        """Write one object of any size from a stream, in parts; it appears once it is complete. Answers as ``put``."""
        with ThreadPoolExecutor(1) as reader, _translated(f"writing {self.name}/{key}"):
            parts = _Parts(stream, reader)
            try:
                written = obstore.put(
                    self._store,
                    key,
                    iter(parts),
                    attributes=dict(headers),
                    use_multipart=True,
                    chunk_size=PART,
                    max_concurrency=_AT_ONCE,
                )
            except Exception:
                if parts.error:
                    raise parts.error from None
                raise
        return written["e_tag"] or ""

    def read(self, key: str) -> bytes | None:
        """An object, whole; None where there is none of that key."""
        with _translated(f"reading {self.name}/{key}"):
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError as error:
                if _NO_BUCKET in str(error):
                    raise
                return None

    def open(self, key: str, block: int = BLOCK) -> tuple[io.BufferedReader, int]:
        """An object as a seekable file, read by ranges of ``block`` bytes, and its size; never whole in memory."""
        reader = ObjectReader(self._store, self.name, key, block)
        return io.BufferedReader(reader, block), reader.size

    def pages(self, prefix: str = "") -> Iterator[list[str]]:
        """The keys below a folder, ``PAGE`` at a time. A folder's marker (``dir/``) is listed as ``dir``."""
        # Without the owner: default headers of a listing are not signed, and S3 refuses unsigned x-amz ones.
        lists = _store(self.name, self._keys, {})
        with _translated(f"listing {self.name}"):
            for page in obstore.list(lists, prefix or None, chunk_size=PAGE):
                yield [found["path"] for found in page]

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, 1,000 a call; in a bucket with versions they get delete markers.

        Raises:
            Rejected: where S3 kept some of them; the first that it named is named.
        """
        with _translated(f"emptying {self.name}"):
            obstore.delete(self._store, list(keys))


class ObjectReader(io.RawIOBase):
    """An object as a file to read, fetched by ranges of what is asked for; to be put below a ``BufferedReader``.

    The first range also tells the length and the ETag, which every later one must match: a replaced object raises
    ``Changed`` instead of mixing two. Not for several threads.
    """

    def __init__(self, store: S3Store, bucket: str, key: str, first: int) -> None:
        super().__init__()
        self._store, self._bucket, self._key = store, bucket, key
        self._position = 0
        self.size = 0
        self._etag = ""
        # Kept, and most often asked for next: a small object is one request.
        self._first = self._fetch(0, first)

    def _fetch(self, start: int, size: int) -> memoryview:
        options: Any = {"range": (start, start + size)}
        if self._etag:
            options["if_match"] = self._etag
        with _translated(f"reading {self._bucket}/{self._key}"):
            try:
                answer = obstore.get(self._store, self._key, options=options)
                data = memoryview(answer.bytes())
            except GenericError as error:
                if "<Code>InvalidRange</Code>" not in str(error):
                    raise
                return memoryview(b"")  # an empty object has no first byte
        if not self._etag:
            self._etag, self.size = answer.meta["e_tag"] or "", answer.meta["size"]
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "negative seek position")  # as files do; zipfile relies on it
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, or less at the object's end; answers with the bytes read, 0 only there."""
        wanted = min(len(buffer), self.size - self._position)
        if wanted <= 0:
            return 0
        data = self._first[self._position : self._position + wanted]
        if len(data) < wanted:
            data = self._fetch(self._position, wanted)
            if len(data) < wanted:
                raise Transient(f"{self._bucket}/{self._key}: a range came short")
        buffer[:wanted] = data
        self._position += wanted
        return wanted
