"""X-Ray, where Lambda samples an invocation: a subsegment for it, and in it one for each call to AWS or over HTTP.

aws_xray_sdk costs 280 ms to import, so it is imported only inside a sampled invocation. It knows botocore; its patch of
http.client doesn't see urllib3 2, so adapters say themselves what they call. A document holds no header, no body and no
query string (F91). Nothing here can fail an invocation: what can't be traced is logged, and goes on untraced.

Source: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

log = logging.getLogger("tracing")
T = TypeVar("T")

_loaded = False
# The SDK's recorder while an invocation is under way that may be traced.
_recorder: Any = None


def sampled() -> bool:
    """Whether Lambda traces this invocation (``_X_AMZN_TRACE_ID`` carries ``Sampled=1``).

    Source: https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
    """
    return "Sampled=1" in os.environ.get("_X_AMZN_TRACE_ID", "").split(";")


@contextmanager
def invocation(name: str) -> Iterator[None]:
    """A subsegment ``name`` around an invocation, where it is sampled; it is at fault where the body raises."""
    global _recorder  # noqa: PLW0603 - an execution environment has one invocation at a time
    _recorder = _prepared()
    if _recorder is None:
        yield
        return
    try:
        with _recorder.in_subsegment(name):
            yield
    finally:
        _recorder = None


@contextmanager
def remote(method: str, url: str) -> Iterator[Callable[[int], None]]:
    """A subsegment around one HTTP call; call what it gives with the status that was answered.

    Of an exception only the type is kept: urllib3's messages quote the URL.
    """
    if _recorder is None:
        yield lambda status: None
        return
    host, place = _described(url)
    subsegment = _recorder.begin_subsegment(host, "remote")
    subsegment.put_http_meta("method", method)
    if place:
        subsegment.put_http_meta("url", place)
    try:
        yield functools.partial(subsegment.put_http_meta, "status")
    except BaseException as error:
        subsegment.add_fault_flag()
        subsegment.put_annotation("error", type(error).__name__)
        raise
    finally:
        _recorder.end_subsegment()


def carried(work: Callable[[], T]) -> Callable[[], T]:
    """``work``, to be done by another thread: its calls are told within the subsegment that is open here and now.

    The SDK keeps that for each thread.
    Source: https://docs.aws.amazon.com/xray-sdk-for-python/latest/reference/thread.html
    """
    recorder = _recorder
    if recorder is None:
        return work
    entity = recorder.get_trace_entity()

    def carrying() -> T:
        recorder.set_trace_entity(entity)
        return work()

    return carrying


def _prepared() -> Any:
    """The SDK's recorder, ready for this invocation; None where none was sampled yet, or it can't be used.

    It goes by the header itself: what isn't sampled is not recorded.
    """
    global _loaded  # noqa: PLW0603 - once for each process
    if not (_loaded or sampled()):
        return None
    try:
        from aws_xray_sdk.core import patch, xray_recorder  # noqa: PLC0415 - costs 280 ms, paid only where sampled
        from aws_xray_sdk.core.lambda_launcher import LambdaContext  # noqa: PLC0415

        if not _loaded:
            # botocore stays patched; where nothing is traced, each of its calls would be worth a warning.
            logging.getLogger("aws_xray_sdk").setLevel(logging.ERROR)
            patch(("botocore",))
            _loaded = True
        # The SDK's own is kept for as long as the trace is the same, as in a retry, which has another parent.
        xray_recorder.context = LambdaContext()
    except Exception:
        log.exception("this invocation can't be traced")
        return None
    return xray_recorder


def _described(url: str) -> tuple[str, str]:
    """The host of a URL, and the URL without user, query and fragment: those may hold secrets."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "unknown", f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return "unknown", ""
