#!/bin/sh
# Starts @WHAT@. It needs Python @PYTHON@, and no network.
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0
case $self in */*) here=${self%/*} ;; *) here=. ;; esac
kit=$(CDPATH='' cd -- "$here" && pwd)/kit || exit 8
[ -z "${HAKOBU_PYTHON:-}" ] || exec "$HAKOBU_PYTHON" -I "$kit/@SCRIPT@" "$@"
for name in python@PYTHON@ @PLACES@ python3; do
    # By its whole path: where there is no PATH, Python would not know where it is.
    python=$(command -v "$name") || continue
    if "$python" -I -c 'import sys; sys.exit(sys.version_info[:2] != @TUPLE@)' 2>/dev/null; then
        exec "$python" -I "$kit/@SCRIPT@" "$@"
    fi
done
echo "@NAME@: error: this PC has no Python @PYTHON@; @REMEDY@, or name it with HAKOBU_PYTHON" >&2
exit 8
