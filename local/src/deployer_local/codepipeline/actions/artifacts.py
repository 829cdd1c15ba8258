"""Artifacts in S3: where they are put, and single files out of and into them.

Source of the key's form: what CodePipeline writes, ``{pipeline, 20}/{artifact, 10}/{7 random}``.
"""

from __future__ import annotations

import io
import secrets
import string
import tempfile
import zipfile
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer_local.codepipeline.records import Artifact

_LETTERS = string.ascii_letters + string.digits


class ArtifactError(Exception):
    """An artifact, or a file in one, cannot be read or written."""


def place(bucket: str, pipeline: str, artifact: str) -> Artifact:
    """A new place for an artifact of that name."""
    random = "".join(secrets.choice(_LETTERS) for _ in range(7))
    return Artifact(artifact, bucket, f"{pipeline[:20]}/{artifact[:10]}/{random}")


def read_file(s3: Any, artifact: Artifact, path: str) -> str:
    """The text of one file of a zipped artifact; raises ArtifactError."""
    with tempfile.TemporaryFile() as packed:
        try:
            s3.download_fileobj(artifact.bucket, artifact.key, packed)
            with zipfile.ZipFile(packed) as archive:
                return archive.read(path).decode()
        except KeyError as error:
            raise ArtifactError(f"File [{path}] does not exist in artifact [{artifact.name}]") from error
        except (ClientError, BotoCoreError, zipfile.BadZipFile, UnicodeDecodeError) as error:
            raise ArtifactError(f"Artifact [{artifact.name}] cannot be read: {error}") from error


def write_file(s3: Any, artifact: Artifact, path: str, text: str) -> None:
    """Put a zip with that one file in the artifact's place; raises ArtifactError."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path, text)
    try:
        s3.put_object(Bucket=artifact.bucket, Key=artifact.key, Body=packed.getvalue(), ContentType="application/zip")
    except (ClientError, BotoCoreError) as error:
        raise ArtifactError(f"Artifact [{artifact.name}] cannot be written: {error}") from error
