"""The deployer command."""
