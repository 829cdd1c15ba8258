"""Custom resource: empty a bucket before CloudFormation deletes it."""
