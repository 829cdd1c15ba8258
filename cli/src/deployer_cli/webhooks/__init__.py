"""``deployer webhook``: what GitHub tells the deployer of, and whether it does."""
