"""``deployer doctor``: each thing that can be wrong between GitHub and Slack, looked at one by one."""
