"""Reconcile a Git ref with its environment: observe, plan, apply."""
