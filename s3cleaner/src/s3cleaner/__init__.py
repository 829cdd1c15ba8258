"""Custom resource: empty a bucket before it is deleted."""
