"""For every package's tests: a property that takes long on a busy machine is not wrong."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("deployer", deadline=None)
settings.load_profile("deployer")
