"""The life of a few environments, driven by real pushes and watched from the outside."""
