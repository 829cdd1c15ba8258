"""How the webhook secret is rotated: what the listener and the command that does it have to agree upon.

Pure. The former secret stays valid beside the current one, in a parameter of its own; by the age of that parameter it
ends by itself. Whoever rotates writes the former one first, then the current one, and lets GitHub sign with it only
when every listener takes it.
"""

from __future__ import annotations

PREVIOUS = ".previous"
"""What the name of the former secret has behind that of the current one."""

KEPT = 300.0
"""Seconds for which a listener keeps the secrets that it has read."""

REREAD_AFTER = 30.0
"""Seconds after which a signature that fits none of them makes it read them anew."""

FORMER_FOR = 86_400.0
"""Seconds for which the former secret is valid; that long a rotation that broke off can be gone on with."""

SETTLED_AFTER = REREAD_AFTER + 5.0
"""Seconds after which every listener takes a secret that was written, which SSM may show a moment later."""
