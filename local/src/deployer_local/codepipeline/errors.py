"""The one error that leaves this package: CodePipeline's and CodeBuild's are the same type."""

from deployer_local.codebuild.errors import ServiceError

__all__ = ["ServiceError"]
