"""A local GitHub: REST, git over HTTP and webhooks over real bare repositories.

`GitHub` is the whole of it: an ASGI application to mount at the root of a server, and handles for the engine and tests.
"""

from .forge import GitHub, Status
from .repositories import Repository
from .webhooks import Delivery, Hook

__all__ = ["Delivery", "GitHub", "Hook", "Repository", "Status"]
