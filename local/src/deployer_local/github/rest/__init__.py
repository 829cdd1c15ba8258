"""GitHub's REST API, the part that the deployer calls, over the local repositories.

Paths, fields, refusals and headers follow GitHub's OpenAPI description; a path that is not served answers 404 with
GitHub's body, as any unknown path does there.
"""
