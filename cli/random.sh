#!/bin/sh
# Print 64 random hexadecimal digits: enough for a webhook secret.
set -eu
od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'
echo
