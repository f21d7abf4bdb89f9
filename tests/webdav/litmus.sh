#!/usr/bin/env bash
# The judge of WebDAV's standard: litmus, against a folder of a gateway that runs. What passes is held against litmus.txt beside it.
#
#   litmus.sh URL USER PASSWORD      ends with 0 where all is as written there, 77 where litmus cannot be had
#
# Needs the Debian package litmus, and installs it where it may.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 3 ] || { echo "usage: litmus.sh URL USER PASSWORD" >&2 && exit 2; }

if ! command -v litmus >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        { apt-get -q update && apt-get -q -y install --no-install-recommends litmus; } >&2 || true
    fi
    if ! command -v litmus >/dev/null; then
        echo "SKIPPED: litmus cannot be had here"
        exit 77
    fi
fi

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp" # it writes its own logs where it runs
status=0
TESTS="basic copymove props locks http" litmus -k "$1" "$2" "$3" >said 2>&1 || status=$?
# Each test's number, name and verdict; a verdict is written over the same line.
tr '\r' '\n' <said | awk '
    /^-> running/ { suite = $3; gsub(/[^a-z]/, "", suite) }
    /^ *[0-9]+\. [a-z_0-9]+/ {
        name = $2; sub(/\.+$/, "", name); at = suite " " $1 " " name
        if (!(at in verdict)) order[++n] = at
        if (NF >= 3 || !(at in verdict)) verdict[at] = $3
    }
    END { for (i = 1; i <= n; i++) print order[i], verdict[order[i]] }' >found
if ! diff "$here/litmus.txt" found || [ "$status" -ne 0 ]; then
    cat said
    tail -n 60 debug.log 2>/dev/null || true
    exit 1
fi
echo "litmus: $(wc -l <found) tests, all as in litmus.txt"
