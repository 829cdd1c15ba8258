"""CodePipeline on the laptop: AWS's API, its state machine and its events, over real actions."""

from .engine import CodePipeline
from .errors import ServiceError

__all__ = ["CodePipeline", "ServiceError"]
