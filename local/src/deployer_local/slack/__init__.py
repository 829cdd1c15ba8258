"""A local Slack: the Web API methods that the deployer calls, and the messages as people would see them."""

from deployer_local.slack.messages import Channel, Message, Version
from deployer_local.slack.workspace import Slack

__all__ = ["Channel", "Message", "Slack", "Version"]
