#!/usr/bin/env bash
# What the scripts beside it share. Each says LIMIT_S, its longest time in seconds, perhaps WITHIN, a command that it is to run under,
# and reads this with the arguments it was given:
#
#   ENDPOINT KEY SECRET [AMOUNT]
#
# It then runs once more, in a HOME of its own that goes with it, with nothing of its caller's environment but the path. It ends with 0
# where all is well, with 77 and a line where the tool is not there, and with anything else, behind the tool's own words, where
# something is wrong.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: $(basename "$0") ENDPOINT KEY SECRET [AMOUNT]" >&2 && exit 2; }

if [ -z "${RUN_FOLDER:-}" ]; then
    temp=$(mktemp -d)
    trap 'rm -rf "$temp"' EXIT
    mkdir -m 700 "$temp/home" "$temp/cache" "$temp/run"
    settings=(PATH="$PATH" LC_ALL=C.UTF-8 TMPDIR="$temp" RUN_FOLDER="$temp")
    settings+=(HOME="$temp/home" XDG_CACHE_HOME="$temp/cache" XDG_RUNTIME_DIR="$temp/run")
    # So that .ci/run finds what a test left behind.
    [ -z "${PUMASI_CI_RUN:-}" ] || settings+=(PUMASI_CI_RUN="$PUMASI_CI_RUN")
    status=0
    # shellcheck disable=SC2086 # WITHIN is words
    env -i "${settings[@]}" timeout --kill-after=10 "${LIMIT_S:?}" ${WITHIN:-} bash "$0" "$@" || status=$?
    [ "$status" -ne 124 ] || echo "it was not through after $LIMIT_S s" >&2
    exit "$status"
fi

set -E
trap 'echo "failed: $BASH_COMMAND ($(basename "${BASH_SOURCE[0]}"), line $LINENO)" >&2' ERR
trap 'status=$?; case $status in 0 | 77) ;; *) cat "$RUN_FOLDER/home/said" 2>/dev/null || true ;; esac; exit "$status"' EXIT
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
endpoint=$1 key=$2 secret=$3
address=${endpoint#http://}
cd "$HOME"

die() {
    echo "$*" >&2
    exit 1
}

# Ends here where a program is not there; the second word is its package.
need() {
    command -v "$1" >/dev/null && return
    echo "SKIPPED: $1 is not there (package $2)"
    exit 77
}

need python3 python3

# A folder of so many files, the same ones for the same seed.
tree() { python3 "$here/tree.py" "$@"; }

# So many bytes, the same ones every time.
noise() { python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(5).randbytes(int(sys.argv[1])))' "$1"; }

# Runs the commands that a page of docs/ shows first below a heading, with this gateway's address and key in the places of the page's.
documented() {
    local text
    text=$(awk -v heading="## $2" '
        /^## / && !inside { found = $0 == heading; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside { print }' "$here/../../docs/$1")
    [ -n "$text" ] || die "docs/$1 shows no commands below \"$2\""
    text=${text//127.0.0.1:778[01]/"$address"}
    text=${text//PMSI…/"$key"}
    text=${text//…/"$secret"}
    printf '%s\n' "$text" >"$RUN_FOLDER/documented"
    # shellcheck source=/dev/null
    source "$RUN_FOLDER/documented"
}
