"""``deployer config``: the secrets in SSM Parameter Store, by the names that they always had."""
