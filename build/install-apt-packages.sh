#!/usr/bin/env bash
# Installs what the tests need of Debian or Ubuntu: strace, which proves that scoring opens no socket; skopeo and
# buildah, which read a container image and run it; debootstrap, which makes the bare place that executables are tried
# in; rsync, which the pipelines of `hakobu ci` fetch depots with; chromium, which opens the pages that we write; and
# PostgreSQL, which a hub can keep its counts in. Needs root; does nothing where all of them are there already.
set -euo pipefail
missing=()
for tool in strace skopeo buildah debootstrap rsync; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
browser=chromium
if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then browser=""; fi
server=postgresql
if compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then server=""; fi
[ -n "${missing[*]}$browser$server" ] || exit 0
apt-get update -qq
export DEBIAN_FRONTEND=noninteractive
[ ${#missing[@]} -eq 0 ] || apt-get install -qq -y --no-install-recommends "${missing[@]}"
# Ubuntu has it as a snap alone.
[ -z "$browser" ] || apt-get install -qq -y --no-install-recommends "$browser" ||
    echo "there is no chromium to be had: the tests that look at pages are skipped"
if [ -n "$server" ]; then
    # The tests start servers of their own in temporary folders: Debian's, which would run from now on, is not made.
    apt-get install -qq -y --no-install-recommends postgresql-common
    sed -i -E 's/^#?\s*create_main_cluster\s*=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    apt-get install -qq -y --no-install-recommends "$server"
fi
