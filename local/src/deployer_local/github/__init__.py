"""A local GitHub: REST, git over HTTP and webhooks over real bare repositories.

`GitHub` is the whole of it: an ASGI application to mount at the root of a server, and handles for the engine and tests.
"""

from .deployments import Deployment, DeploymentStatus, Environment
from .forge import GitHub, Status
from .pulls import PullRequest
from .repositories import Repository
from .webhooks import Delivery, Hook

__all__ = [
    "Delivery",
    "Deployment",
    "DeploymentStatus",
    "Environment",
    "GitHub",
    "Hook",
    "PullRequest",
    "Repository",
    "Status",
]
