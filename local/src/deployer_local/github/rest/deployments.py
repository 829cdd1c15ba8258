"""Deployments."""

from .exchange import Route

ROUTES: tuple[Route, ...] = ()
