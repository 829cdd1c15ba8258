"""What the functions need from the world, as protocols and the frozen values that pass through them.

Pure. Each protocol has an adapter in this package and an in-memory twin in ``deployer.testing``; one suite of tests
holds both to the same contract.
"""

from deployer.ports.aws import Leftovers, Pipelines, Resources, Run, Source, Stack, StackRequest, StackResource, Stacks
from deployer.ports.github import (
    Commit,
    CommitStatus,
    Deployment,
    Deployments,
    DeploymentStatus,
    Files,
    Refs,
    Repositories,
    Repository,
    Statuses,
    Tip,
)
from deployer.ports.memory import Baseline, Baselines, Environment, Memory, Operation, Outcome, Parked, Parking
from deployer.ports.queues import Looks, Notices, SourceObject, SourceStore, Sweeps
from deployer.ports.slack import Post

__all__ = [
    "Baseline",
    "Baselines",
    "Commit",
    "CommitStatus",
    "Deployment",
    "DeploymentStatus",
    "Deployments",
    "Environment",
    "Files",
    "Leftovers",
    "Looks",
    "Memory",
    "Notices",
    "Operation",
    "Outcome",
    "Parked",
    "Parking",
    "Pipelines",
    "Post",
    "Refs",
    "Repositories",
    "Repository",
    "Resources",
    "Run",
    "Source",
    "SourceObject",
    "SourceStore",
    "Stack",
    "StackRequest",
    "StackResource",
    "Stacks",
    "Statuses",
    "Sweeps",
    "Tip",
]
