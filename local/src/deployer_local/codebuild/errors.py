"""The one error that leaves these services: what an API answers instead of a result.

Shared by CodeBuild and CodePipeline. Knows nothing of HTTP; the host turns it into AWS's JSON error.
"""

from __future__ import annotations


class ServiceError(Exception):
    """``code`` is the exception's name in the API (``PipelineNotFoundException``), ``status`` the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status
