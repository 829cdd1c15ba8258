"""Install the deployer into a running engine, by the same code that installs it into AWS.

Only the endpoints and the platform of the wheels differ. The secrets are the engine's own, made for it alone.
"""

from __future__ import annotations

import secrets

from botocore.exceptions import ClientError

from deployer_deploy.configuration import Configuration
from deployer_deploy.install import Installer
from deployer_deploy.progress import Listener, silent
from deployer_deploy.target import Target
from deployer_deploy.tree import Tree

from .addresses import webhook_url
from .engine import Engine

CHANNEL = "deployments"
HMAC = "opolis.github.hmac"


def install(engine: Engine, tree: Tree, listener: Listener = silent) -> str:
    """Install or update everything, and point the local GitHub's webhooks at it; answers with the endpoint.

    Raises:
        Broken: where a stack or a package could not be made; its message says which and why.
    """
    target = Target.engine(engine.aws_url, engine.github_url, engine.slack_url)
    configuration = Configuration(
        slack_channel=CHANNEL, slack_development="all", tracing="Active" if engine.traces else "PassThrough"
    )
    installer = Installer(target, tree, configuration, listener)
    secret = webhook_secret(engine)
    installer.put_secret(HMAC, secret)
    installer.put_secret("opolis.github.token", engine.github_token)
    installer.put_secret("opolis.slack.token", engine.slack_token)
    outputs = installer.install()
    endpoint = webhook_url(engine.aws_url, outputs["ApiId"], configuration.stage)
    engine.github.add_hook(None, endpoint, secret)
    return endpoint


def webhook_secret(engine: Engine) -> str:
    """The secret of an earlier installation on this data, else a new one."""
    try:
        found = engine.client("ssm").get_parameter(Name=HMAC, WithDecryption=True)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return secrets.token_hex(32)
    return str(found["Parameter"]["Value"])
