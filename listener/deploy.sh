#!/bin/sh
# Deploys the function listener alone: packages it, uploads what changed, updates its stack. See deploy/README.md.
#   ./deploy.sh                     into the AWS account of the current credentials
#   AWS_ENDPOINT_URL=… ./deploy.sh  into a running laptop engine
set -eu
here=$(cd "$(dirname "$0")" && pwd)
exec "${PYTHON:-python3}" -m deployer_deploy listener --tree "$(dirname "$here")" "$@"
