"""``deployer deploy`` and ``deployer remove``: the installation put into an account, and taken away."""
