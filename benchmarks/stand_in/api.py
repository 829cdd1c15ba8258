"""S3's REST API over the store: the calls that the benchmarks' contestants make; every other one is refused with 501.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from aiohttp import web
from benchmarks.stand_in.store import Bucket, Refused, Stored

SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
PAGE = 1000


def xml(root: str, *parts: str) -> web.Response:
    """An answer."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{SPACE}">{"".join(parts)}</{root}>'
    return web.Response(body=text.encode(), content_type="application/xml")


def date(seconds: float) -> str:
    """As S3 writes it in XML."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def tag(name: str, value: object) -> str:
    """One element with text."""
    return f"<{name}>{escape(str(value))}</{name}>"


def refusal(status: int, code: str) -> web.Response:
    """An error as S3 words it: without a namespace."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{tag("Code", code)}{tag("Message", code)}</Error>'
    return web.Response(status=status, body=text.encode(), content_type="application/xml")


def decoded(body: bytes) -> bytes:
    """A body without its ``aws-chunked`` frames: sizes in hex, perhaps signatures, trailers at the end.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
    """
    parts: list[bytes] = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].partition(b";")[0], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


Answer = Callable[[Bucket, web.BaseRequest, str, bytes], web.Response]


def route(request: web.BaseRequest, on_object: bool) -> tuple[str, Answer]:
    """S3's name of a call, and what answers it.

    Raises:
        Refused: where it is none that is known here; what has another parameter is another call.
    """
    query = frozenset(request.query)
    mark = next(iter(query & _MARKS), "")
    found = _ROUTES.get((request.method, on_object, mark))
    if found is None or query - _MARKS - _PARAMETERS or "x-amz-copy-source" in request.headers:
        raise Refused(501, "NotImplemented")
    return found


def _nothing(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    return web.Response()


def _location(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    return xml("LocationConstraint")


def _versioning(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    return xml("VersioningConfiguration", *([tag("Status", "Enabled")] if bucket.versioned else []))


def _encoded(request: web.BaseRequest) -> Callable[[str], str]:
    return (lambda key: quote(key, safe="/")) if request.query.get("encoding-type") == "url" else str


def _common(request: web.BaseRequest, more: bool) -> str:
    if request.query.get("delimiter"):
        raise Refused(501, "NotImplemented")
    kind = tag("EncodingType", "url") if "encoding-type" in request.query else ""
    return kind + tag("IsTruncated", str(more).lower())


def _list(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    query, encoded = request.query, _encoded(request)
    after = query.get("continuation-token") or query.get("start-after", "")
    page, more = bucket.listed(query.get("prefix", ""), after, min(PAGE, int(query.get("max-keys", PAGE))))
    entries = [
        f"<Contents><Key>{escape(encoded(found.key))}</Key><LastModified>{date(found.modified)}</LastModified>"
        f"<ETag>&quot;{found.etag}&quot;</ETag><Size>{found.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for found in page
    ]
    following = tag("NextContinuationToken", page[-1].key) if more else ""
    return xml("ListBucketResult", _common(request, more), tag("KeyCount", len(page)), following, *entries)


def _versions(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    query, encoded = request.query, _encoded(request)
    after = query.get("key-marker", ""), query.get("version-id-marker", "")
    page, more = bucket.versions(query.get("prefix", ""), after, min(PAGE, int(query.get("max-keys", PAGE))))
    following = ""
    if more:
        following = tag("NextKeyMarker", encoded(page[-1].key)) + tag("NextVersionIdMarker", page[-1].id)
    entries = []
    for found in page:
        newest = "true" if bucket.newest(found.key) is found else "false"
        kind, rest = "DeleteMarker", ""
        if not found.marker:
            kind, rest = "Version", f"<ETag>&quot;{found.etag}&quot;</ETag><Size>{found.size}</Size>"
        entries.append(
            f"<{kind}><Key>{escape(encoded(found.key))}</Key><VersionId>{found.id}</VersionId>"
            f"<IsLatest>{newest}</IsLatest><LastModified>{date(found.modified)}</LastModified>{rest}</{kind}>"
        )
    return xml("ListVersionsResult", _common(request, more), following, *entries)


def _uploads(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    encoded, most = _encoded(request), int(request.query.get("max-uploads", PAGE))
    found = list(bucket.uploads.items())
    entries = [
        f"<Upload>{tag('Key', encoded(upload.key))}{tag('UploadId', name)}{tag('Initiated', date(0))}</Upload>"
        for name, upload in found[:most]
    ]
    return xml("ListMultipartUploadsResult", _common(request, len(found) > most), *entries)


def _delete_many(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    root = ElementTree.fromstring(body)  # noqa: S314 - from the benchmark's own contestants
    quiet, answers = False, []
    for found in root:
        if found.tag.endswith("Quiet"):
            quiet = found.text == "true"
        elif found.tag.endswith("Object"):
            given = {child.tag.rpartition("}")[2]: child.text or "" for child in found}
            bucket.delete(given["Key"], given.get("VersionId", ""))
            version = tag("VersionId", given["VersionId"]) if given.get("VersionId") else ""
            answers.append(f"<Deleted>{tag('Key', given['Key'])}{version}</Deleted>")
    return xml("DeleteResult", *([] if quiet else answers))


def _headers(found: Stored) -> dict[str, str]:
    return {
        "ETag": f'"{found.etag}"',
        "Last-Modified": formatdate(found.modified, usegmt=True),
        "Content-Type": found.content_type or "binary/octet-stream",
        "Accept-Ranges": "bytes",
    }


def _found(bucket: Bucket, request: web.BaseRequest, key: str) -> Stored:
    found = bucket.newest(key)
    if found is None:
        raise Refused(404, "NoSuchKey")
    if request.headers.get("If-Match", f'"{found.etag}"').strip('"') != found.etag:
        raise Refused(412, "PreconditionFailed")
    return found


def _head(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    found = _found(bucket, request, key)
    return web.Response(headers={**_headers(found), "Content-Length": str(found.size)})


def _get(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    found = _found(bucket, request, key)
    asked = request.http_range
    if "Range" not in request.headers:
        return web.Response(body=found.read(0, found.size), headers=_headers(found))
    start, end, _ = slice(asked.start, asked.stop).indices(found.size)
    if start >= found.size:
        raise Refused(416, "InvalidRange")
    headers = {**_headers(found), "Content-Range": f"bytes {start}-{end - 1}/{found.size}"}
    return web.Response(status=206, body=found.read(start, end), headers=headers)


def _put(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    stored = bucket.put(key, body, request.headers.get("Content-Type", ""))
    return web.Response(headers={"ETag": f'"{stored.etag}"'})


def _delete(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    bucket.delete(key, request.query.get("versionId", ""))
    return web.Response(status=204)


def _begin(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    name = bucket.begin(key, request.headers.get("Content-Type", ""))
    return xml("InitiateMultipartUploadResult", tag("Key", key), tag("UploadId", name))


def _part(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    etag = bucket.part(request.query["uploadId"], int(request.query["partNumber"]), body)
    return web.Response(headers={"ETag": f'"{etag}"'})


def _complete(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    root = ElementTree.fromstring(body)  # noqa: S314 - from the benchmark's own contestants
    numbers = [int(found.text or "") for found in root.iter() if found.tag.endswith("PartNumber")]
    stored = bucket.complete(request.query["uploadId"], numbers)
    return xml("CompleteMultipartUploadResult", tag("Key", key), tag("ETag", f'"{stored.etag}"'))


def _abort(bucket: Bucket, request: web.BaseRequest, key: str, body: bytes) -> web.Response:
    bucket.abort(request.query["uploadId"])
    return web.Response(status=204)


# Method, whether an object is meant, and the parameter that tells calls apart.
_ROUTES: dict[tuple[str, bool, str], tuple[str, Answer]] = {
    ("PUT", False, ""): ("CreateBucket", _nothing),
    ("HEAD", False, ""): ("HeadBucket", _nothing),
    ("GET", False, "location"): ("GetBucketLocation", _location),
    ("GET", False, "versioning"): ("GetBucketVersioning", _versioning),
    ("GET", False, "list-type"): ("ListObjectsV2", _list),
    ("GET", False, "versions"): ("ListObjectVersions", _versions),
    ("GET", False, "uploads"): ("ListMultipartUploads", _uploads),
    ("POST", False, "delete"): ("DeleteObjects", _delete_many),
    ("GET", True, ""): ("GetObject", _get),
    ("HEAD", True, ""): ("HeadObject", _head),
    ("PUT", True, ""): ("PutObject", _put),
    ("DELETE", True, ""): ("DeleteObject", _delete),
    ("POST", True, "uploads"): ("CreateMultipartUpload", _begin),
    ("PUT", True, "uploadId"): ("UploadPart", _part),
    ("POST", True, "uploadId"): ("CompleteMultipartUpload", _complete),
    ("DELETE", True, "uploadId"): ("AbortMultipartUpload", _abort),
}
_MARKS = frozenset(mark for _, _, mark in _ROUTES if mark)
_PARAMETERS = {
    *("continuation-token", "delimiter", "encoding-type", "fetch-owner", "key-marker", "max-keys", "max-uploads"),
    *("partNumber", "prefix", "start-after", "version-id-marker", "versionId", "x-id"),
}
