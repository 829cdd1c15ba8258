"""Serves published pages over HTTP from their buckets, as S3's website endpoint would.

`GET /sites/{bucket}/{key}` answers the object with its own content type and cache headers; a folder answers its index
document; a missing object is a 404. It reads the buckets over S3 on every request and keeps nothing, so a deleted
object is gone at once. Only a bucket with a website configuration is served.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

HEADERS = {
    "CacheControl": "Cache-Control",
    "ContentDisposition": "Content-Disposition",
    "ContentEncoding": "Content-Encoding",
    "ContentLanguage": "Content-Language",
    "ContentType": "Content-Type",
    "ETag": "ETag",
}


class Sites:
    """`client` gives boto3 clients of the emulated AWS."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client

    def routes(self) -> list[Route]:
        """For a Starlette application."""
        return [
            Route("/sites/{bucket}", self._enter),
            Route("/sites/{bucket}/{key:path}", self._serve, methods=["GET", "HEAD"]),
        ]

    async def _enter(self, request: Request) -> Response:
        return RedirectResponse(f"{request.url.path}/", 302)

    async def _serve(self, request: Request) -> Response:
        return await run_in_threadpool(self.read, request.path_params["bucket"], request.path_params["key"])

    def read(self, bucket: str, key: str) -> Response:
        """The answer for one path of a bucket's site."""
        s3 = self._client("s3")
        try:
            website = s3.get_bucket_website(Bucket=bucket)
        except ClientError as error:
            return _not_found(error)
        index = website.get("IndexDocument", {}).get("Suffix", "index.html")
        try:
            return _answer(s3.get_object(Bucket=bucket, Key=_document(key, index)), 200)
        except ClientError as error:
            page = website.get("ErrorDocument", {}).get("Key")
            if _code(error) != "NoSuchKey" or not page:
                return _not_found(error)
        try:
            return _answer(s3.get_object(Bucket=bucket, Key=page), 404)
        except ClientError as error:
            return _not_found(error)


def _document(key: str, index: str) -> str:
    return f"{key}{index}" if not key or key.endswith("/") else key


def _answer(found: Any, status: int) -> Response:
    headers = {header: found[name] for name, header in HEADERS.items() if found.get(name)}
    return Response(found["Body"].read(), status, headers)


def _not_found(error: ClientError) -> Response:
    code = _code(error)
    status = 404 if code in ("NoSuchKey", "NoSuchBucket", "NoSuchWebsiteConfiguration") else 502
    return PlainTextResponse(f"{status} {code}: {error.response['Error'].get('Message', '')}\n", status)


def _code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", ""))
