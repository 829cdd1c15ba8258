"""Turn the tree into what Lambda takes: a zip for each function, one for the layer.

A function's zip holds its own package and nothing else; what functions share is the layer. Keys are content
addresses, so an unchanged package is never uploaded twice and a stack that names it doesn't change. Nothing here
talks to AWS.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deployer_deploy import archive, wheels
from deployer_deploy.manifest import agreed, read
from deployer_deploy.tree import FUNCTIONS, LAYER, Tree
from deployer_deploy.wheels import Platform


@dataclass(frozen=True)
class Package:
    """A zip ready to be uploaded. ``key``: ``{part}/{sha256}.zip``, its S3 key in the code bucket."""

    part: str
    key: str
    path: Path


def lambda_platform(tree: Tree) -> Platform:
    """The platform that the manifests of layer and functions agree on. Raises ``Broken`` where they don't."""
    return Platform.lambda_(*agreed(read(tree.manifest(part)) for part in (LAYER, *FUNCTIONS)))


def package(tree: Tree, part: str, platform: Platform | None) -> Package:
    """The zip of a function or of the layer. ``platform``: None for the one that the manifests name.

    A function's is not compiled, so that its key tells its source alone, whatever Python packs it and wherever it
    goes. That costs its cold start 3 ms (listener) to 10 ms (builder) of the 240 to 330 that it takes up to the end of
    its first event, medians of 11; the layer is what is worth compiling.

    Raises ``Broken`` where there is nothing to pack or a wheel is missing.
    """
    if part == LAYER:
        return _layer(tree, platform or lambda_platform(tree))
    entries = archive.sources(tree.source(part), tree.package(part))
    return _named(part, tree.build / f"{part}-{archive.digest(entries)[:20]}.zip", entries)


def _layer(tree: Tree, platform: Platform) -> Package:
    own = archive.sources(tree.source(LAYER), tree.package(LAYER))
    third_party = wheels.install(tree.lock, platform, tree.build)
    inputs = hashlib.sha256(f"{third_party.name} {archive.digest(own)}".encode()).hexdigest()
    path = tree.build / f"{LAYER}-{inputs[:20]}.zip"
    if path.is_file():
        return _named(LAYER, path, [])
    with tempfile.TemporaryDirectory(dir=tree.build, prefix="layer-part-") as temporary:
        for entry in own:
            copy = Path(temporary) / entry.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry.path, copy)
        if platform.compiles:
            wheels.compile_folder(Path(temporary), "/opt/python")
        entries = archive.files(third_party, "python/") + archive.files(Path(temporary), "python/")
        return _named(LAYER, path, entries)


def _named(part: str, path: Path, entries: list[archive.Entry]) -> Package:
    """Write the zip if it isn't there yet, and name it by its content."""
    if not path.is_file():
        archive.write(entries, path)
    return Package(part, f"{part}/{archive.sha256(path)}.zip", path)
