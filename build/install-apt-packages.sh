#!/usr/bin/env bash
# Installs what the tests need of Debian or Ubuntu: strace, which proves that scoring opens no socket.
# Needs root; does nothing where strace is there already.
set -euo pipefail
command -v strace >/dev/null && exit 0
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends strace
