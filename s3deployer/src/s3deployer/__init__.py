"""Pipeline action: publish a build artifact to a bucket of the caller's environment."""
