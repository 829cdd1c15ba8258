"""The API: one function behind API Gateway's routes."""
