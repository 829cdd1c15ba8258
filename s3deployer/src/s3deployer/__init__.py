"""Pipeline action: publish a build artifact to a bucket."""
