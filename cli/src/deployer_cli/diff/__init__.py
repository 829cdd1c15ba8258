"""``deployer diff``: what a push of this checkout would change in a branch's environment.

``live`` sees what is there, ``outlook`` and ``compare`` decide, ``prospect`` puts it together, ``report`` prints it.
"""
