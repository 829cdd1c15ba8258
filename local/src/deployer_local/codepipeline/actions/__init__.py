"""What each kind of action does: one module a provider, all with the same signature.

A provider is a function from a ``Job`` to an ``Outcome``, run in a thread of its own. It may block on ``job.receive``;
it raises ``Interrupted`` when the engine wants the thread back, and the engine then decides what that means.
"""
