"""The stand-in as a process: `python -m benchmarks.stand_in.server CERTIFICATE`, until its standard input ends.

It says its port first. Signatures are not looked at. Every call is counted by the name that S3 gives it; under ``/-/``
it is told what to hold, and asked what it holds. aiohttp: its HTTP parser is compiled, it decodes what clients send in
chunks, it answers their ``Expect: 100-continue``, and it is typed; what clients cost does not depend on it.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import uvloop
from aiohttp import web
from benchmarks.stand_in.api import decoded, refusal, route
from benchmarks.stand_in.store import ARTIFACTS, Bucket, Refused


class StandIn:
    """The buckets, and what was called. ``latency``: seconds added to every call."""

    def __init__(self) -> None:
        self.buckets = {ARTIFACTS: Bucket()}
        self.calls: Counter[str] = Counter()
        self.latency = 0.0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path, _, _ = request.raw_path.partition("?")
        if path.startswith("/-/"):
            return self._told(path[3:], await request.read())
        host = request.host.partition(":")[0]
        name, _, key = path.removeprefix("/").partition("/")
        if host.endswith(".localhost"):  # virtual-hosted style: the bucket is in the name
            name, key = host.removesuffix(".localhost"), path.removeprefix("/")
        body = await request.read()
        if self.latency:
            await asyncio.sleep(self.latency)
        if "aws-chunked" in request.headers.get("Content-Encoding", ""):
            body = decoded(body)
        try:
            return self._answer(request, name, unquote(key), body)
        except Refused as error:
            return refusal(error.status, error.code)

    def _answer(self, request: web.Request, name: str, key: str, body: bytes) -> web.Response:
        called, answer = route(request, bool(key))
        self.calls[called] += 1
        if called == "CreateBucket":
            self.buckets.setdefault(name, Bucket())
            return web.Response()
        if name not in self.buckets:
            raise Refused(404, "NoSuchBucket")
        return answer(self.buckets[name], request, key, body)

    def _told(self, what: str, body: bytes) -> web.Response:
        """Of the benchmark itself; JSON in, JSON out."""
        given = json.loads(body or b"{}")
        match what:
            case "bucket":
                bucket = self.buckets[given["name"]] = Bucket(versioned=given.get("versioned", False))
                bucket.fill(given.get("keys", 0), given.get("versions", 1))
                for number in range(given.get("uploads", 0)):
                    bucket.begin(f"unfinished/{number}", "")
            case "file":
                path = Path(given["file"])
                self.buckets[given["bucket"]].put_file(given["key"], str(path), path.stat().st_size)
            case "latency":
                self.latency = given["seconds"]
            case "calls":
                calls, self.calls = dict(self.calls), Counter()
                return web.json_response(calls)
            case "content":
                found = self.buckets[given["bucket"]]
                return web.json_response([[o.key, o.size, o.etag, o.content_type, o.parts] for o in found.objects()])
            case "left":
                found = self.buckets[given["bucket"]]
                return web.json_response(len(found.versions("", ("", ""), 1 << 30)[0]) + len(found.uploads))
            case _:
                return web.Response(status=404)
        return web.json_response({})


async def serve(certificate: str) -> None:
    """Say the port, and serve until standard input ends."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    served = web.Application(client_max_size=1 << 30)
    served.router.add_route("*", "/{path:.*}", StandIn().__call__)
    runner = web.AppRunner(served, access_log=None, keepalive_timeout=600)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context, backlog=1024)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(os.read, sys.stdin.fileno(), 1)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
