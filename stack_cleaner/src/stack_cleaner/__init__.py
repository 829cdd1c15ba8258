"""Custom resource: delete the stack that a pipeline made, before the pipeline goes."""
