"""A local Slack: the Web API methods that the deployer calls, and the messages as people would see them."""

from deployer_local.slack.messages import Channel, Message, Version
from deployer_local.slack.workspace import Exchange, Slack

__all__ = ["Channel", "Exchange", "Message", "Slack", "Version"]
