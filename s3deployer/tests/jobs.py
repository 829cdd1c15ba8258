"""What the tests hand in: jobs in CodePipeline's shape and zips, good and hostile."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

STORE = "deployer-artifacts"
SECRET = "CANARY-wJalrXUtnFEMI"
ACCOUNT = "123456789012"

SITE = {
    "index.html": b"<h1>main</h1>",
    "about/index.html": b"<h1>about</h1>",
    "imprint.html": b"<h1>imprint</h1>",
    "app.js": b"export {}",
    "css/site.css": b"body{}",
}
OUTPUTS = {"outputs.json": b'{"Bucket": "site-bucket", "Url": "https://site"}'}


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files, in this order; a name that ends in a slash is a directory."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def linked(name: str, target: str) -> bytes:
    """A zip with a page and a symbolic link."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.html", b"")
        link = zipfile.ZipInfo(name)
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        archive.writestr(link, target)
    return packed.getvalue()


def renamed(files: dict[str, bytes], before: str, after: str) -> bytes:
    """A zip in which a name was overwritten by one of the same length, which zipfile itself would not write."""
    assert len(before.encode()) == len(after.encode())
    return zipped(files).replace(before.encode(), after.encode())


def damaged() -> bytes:
    """A zip with one bit of ``app.js`` changed; its directory is intact."""
    content = zipped({**SITE, "app.js": b"export const answer = 42"}, zipfile.ZIP_STORED)
    return content.replace(b"answer = 42", b"answer = 43")


def event(artifacts: dict[str, str], user_parameters: object = None, **job: Any) -> dict[str, Any]:
    """A job over artifacts, given as name -> key in the store.

    Source: https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html
    """
    configuration = {"FunctionName": "opolis-deployer-prod-s3deployer"}
    if user_parameters is not None:
        configuration["UserParameters"] = (
            user_parameters if isinstance(user_parameters, str) else json.dumps(user_parameters)
        )
    return {
        "CodePipeline.job": {
            "id": "11111111-abcd-1111-abcd-111111abcdef",
            "accountId": ACCOUNT,
            "data": {
                "actionConfiguration": {"configuration": configuration},
                "inputArtifacts": [
                    {
                        "location": {"s3Location": {"bucketName": STORE, "objectKey": key}, "type": "S3"},
                        "revision": None,
                        "name": name,
                    }
                    for name, key in artifacts.items()
                ],
                "outputArtifacts": [],
                "artifactCredentials": {
                    "secretAccessKey": SECRET,
                    "sessionToken": SECRET + "-session",
                    "accessKeyId": "AKIA-" + SECRET,
                },
            },
            **job,
        }
    }
