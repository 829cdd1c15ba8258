"""``deployer init``: a working ``deploy/``, and what it needs, out of one of the examples.

``examples`` finds them and decides; ``command`` asks, copies, and says what comes next.
"""
