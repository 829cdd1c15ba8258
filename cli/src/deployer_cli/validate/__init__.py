"""``deployer validate``: what would fail after a push, found before it; offline, without an installation.

``brought`` gathers what a push would bring, ``project`` reads it, ``checks`` decide, ``lint`` asks cfn-lint.
"""
