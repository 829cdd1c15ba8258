"""The layer's third-party packages, for the platform that will import them.

uv picks and checks wheels against the lock's hashes; it runs with the environment as it is, so whatever index the
user set up is used. Nothing is ever built from source: what has no wheel for the platform is refused.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import Broken

# What boto3 is asked for anywhere in the layer and the functions; a test compares. The models of the other 400
# services are nine tenths of botocore.
SERVICES = ("cloudformation", "cloudfront", "codebuild", "codepipeline", "dynamodb", "logs", "s3", "sqs", "ssm", "sts")
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
# Written while installing: they hold times, paths or hashes of what is pruned.
_UNSTABLE = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
_SOURCES = ("*.c", "*.h", "*.pyx", "*.pxd", "*.pyi")
_FORMAT = "3"  # raise when what is done to the wheels changes


@dataclass(frozen=True)
class Platform:
    """What imports the wheels. ``python``: "3.13". ``machine``: "aarch64"; None for this very interpreter."""

    python: str
    machine: str | None = None

    @classmethod
    def lambda_(cls, runtime: str, architecture: str) -> Platform:
        """Lambda's, in AWS's words: ``python3.13`` and ``arm64``. Raises ``Broken`` for others than Python's.

        https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
        """
        if not runtime.startswith("python3.") or architecture not in _MACHINES:
            raise Broken(f"no wheels for {runtime} on {architecture}")
        return cls(runtime.removeprefix("python"), _MACHINES[architecture])

    @classmethod
    def here(cls) -> Platform:
        """This interpreter's, which the laptop engine runs its workers with."""
        return cls(f"{sys.version_info.major}.{sys.version_info.minor}")

    @property
    def compiles(self) -> bool:
        """Whether this interpreter writes the ``.pyc`` files that the platform reads."""
        return self.python == f"{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def arguments(self) -> list[str]:
        """What tells uv of the platform. Amazon Linux 2023 has glibc 2.34; 2.28 is what wheels are built for."""
        chosen = ["--python", sys.executable]
        if self.machine:
            chosen += ["--python-version", self.python, "--python-platform", f"{self.machine}-manylinux_2_28"]
        return chosen

    def takes(self, tag: str) -> bool:
        """Whether a wheel's tag (``cp313-cp313-manylinux_2_28_aarch64``) fits.

        https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/
        """
        python, abi, where = tag.split("-")
        own = "cp" + self.python.replace(".", "")
        if where != "any" and self.machine and not (where.startswith("manylinux") and where.endswith(self.machine)):
            return False
        if abi == "none":
            return python.startswith("py3") or python == own
        return python == own if abi == own else abi == "abi3" and python.startswith("cp3")


def foreign(folder: Path, platform: Platform) -> list[str]:
    """The installed distributions below ``folder`` that don't fit ``platform``, each with its tags."""
    wrong = []
    for wheel in sorted(folder.glob("*.dist-info/WHEEL")):
        lines = wheel.read_text(encoding="utf-8").splitlines()
        tags = [line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")]
        if not any(platform.takes(tag) for tag in tags):
            wrong.append(f"{wheel.parent.name} ({', '.join(tags)})")
    return wrong


def install(lock: Path, platform: Platform, cache: Path) -> Path:
    """A folder with the wheels of ``lock`` for ``platform``, pruned and, where it can be, compiled.

    Built once for each lock and platform below ``cache``. Raises ``Broken`` with uv's words where it can't.
    """
    implementation = "" if platform.machine else f"{sys.implementation.cache_tag} {sys.platform} {os.uname().machine}"
    described = f"{_FORMAT} {platform} {platform.compiles} {implementation} {SERVICES}"
    name = hashlib.sha256(described.encode() + lock.read_bytes()).hexdigest()[:20]
    folder = cache / f"wheels-{name}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="wheels-part-") as temporary:
        whole = Path(temporary) / "python"
        _run_uv(lock, platform, whole)
        if wrong := foreign(whole, platform):
            raise Broken(f"wheels that don't fit {platform}: {'; '.join(wrong)}")
        _prune(whole)
        _license(whole, lock.parent / "licences")
        if platform.compiles:
            compile_folder(whole, "/opt/python")
        publish(whole, folder)
    return folder


def publish(built: Path, folder: Path) -> None:
    """Give what was built its place. Where somebody else built the same at the same time, theirs is as good."""
    try:
        built.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _run_uv(lock: Path, platform: Platform, target: Path) -> None:
    from uv import find_uv_bin  # noqa: PLC0415 - a tool, needed only when there is something to build

    command = [os.fspath(find_uv_bin()), "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--link-mode", "copy", "--target", str(target), *platform.arguments]
    done = subprocess.run([*command, "--requirements", str(lock)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"uv found no wheels for {platform}: {done.stderr.strip()}")


def _prune(folder: Path) -> None:
    """Leave out what isn't imported: other services' models, scripts, C sources, and what differs between builds.

    Licences stay, in each distribution's ``.dist-info``.
    """
    shutil.rmtree(folder / "bin", ignore_errors=True)
    (folder / ".lock").unlink(missing_ok=True)
    for unwanted in [*folder.rglob("__pycache__"), *folder.glob("boto3/examples")]:
        shutil.rmtree(unwanted)
    for source in [path for pattern in _SOURCES for path in folder.rglob(pattern)]:
        source.unlink()
    for models in (folder / "botocore" / "data", folder / "boto3" / "data"):
        for model in models.iterdir() if models.is_dir() else ():
            if model.is_dir() and model.name not in SERVICES:
                shutil.rmtree(model)
    for unstable in _UNSTABLE:
        for path in folder.glob(f"*.dist-info/{unstable}"):
            path.unlink()


def _license(folder: Path, texts: Path) -> None:
    """Put the licence where a wheel forgot its own: ``texts`` has NAME.txt, from the project's source."""
    for text in sorted(texts.glob("*.txt")):
        for described in folder.glob(f"{text.stem}-*.dist-info"):
            shutil.copyfile(text, described / "LICENSE")


def compile_folder(folder: Path, installed: str) -> None:
    """Compile everything below ``folder``; tracebacks will name it as being below ``installed``.

    Unchecked-hash: a zip dates its files 1980, and Python would throw date-checked ones away. In an isolated process:
    what is written of a single character depends on whether anything has ever interned it here, and whoever has set
    PYTHONOPTIMIZE would write what Lambda doesn't look for. https://peps.python.org/pep-0552/
    """
    command = [sys.executable, "-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", installed, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"{folder} holds Python that doesn't compile: {done.stdout.strip()}")
