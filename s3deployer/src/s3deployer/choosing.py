"""Which input artifact is the site, which holds the outputs, and which bucket is meant: found by content, not by order.

Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from deployer.errors import Rejected
from s3deployer.job import Parameters

# How the output that names the bucket may be called.
BUCKET_OUTPUTS = ("Bucket", "BucketName")


@dataclass(frozen=True, slots=True)
class Choice:
    """Artifact names. ``outputs`` is empty where UserParameters name the bucket."""

    site: str
    outputs: str = ""


def choose(artifacts: Mapping[str, frozenset[str]], parameters: Parameters) -> Choice:
    """Choose among artifacts, given as name -> the names of their files.

    The outputs are in an archive that holds nothing but the outputs file, or in the only one that holds such a file
    at all (a site may have a file of that name too). The site is the one that remains.

    Raises:
        Rejected: where that leaves nothing or more than one.
    """
    wanted = parameters.outputs
    if not artifacts:
        raise Rejected("the action has no input artifact")
    alone = [name for name, files in artifacts.items() if files == {wanted}]
    holders = alone or [name for name, files in artifacts.items() if wanted in files]
    if parameters.bucket:
        outputs = alone[:1] if len(artifacts) > 1 else []
    elif not holders:
        raise Rejected(
            f"no input artifact holds {wanted}: add the output artifact of the action that deploys the stack "
            "(OutputFileName), or name the bucket in UserParameters"
        )
    else:
        outputs = holders
    if len(outputs) > 1:
        raise Rejected(f"{wanted} is in more than one input artifact: {', '.join(sorted(outputs))}")
    sites = [name for name in artifacts if name not in outputs]
    if len(sites) != 1:
        what = "no input artifact is left for" if not sites else f"{', '.join(sorted(sites))} may each be"
        raise Rejected(f"{what} the site: give this action the build's artifact and the stack's outputs")
    return Choice(sites[0], "" if parameters.bucket or not outputs else outputs[0])


def bucket_name(text: bytes, file: str) -> str:
    """The bucket that the outputs of a CloudFormation action name: a JSON object of output name -> value.

    Raises:
        Rejected: where they name none.
    """
    try:
        outputs = json.loads(text)
    except ValueError as error:
        raise Rejected(f"{file} is not JSON: {error}") from error
    if isinstance(outputs, dict):
        for name in BUCKET_OUTPUTS:
            if isinstance(outputs.get(name), str) and outputs[name]:
                return str(outputs[name])
    raise Rejected(f"{file} has no output called {' or '.join(BUCKET_OUTPUTS)}; the stack's template must have one")
