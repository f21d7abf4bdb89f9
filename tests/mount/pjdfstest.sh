#!/usr/bin/env bash
# The judge of POSIX: pjdfstest, in a folder that is mounted with --allow-other. Verdicts are held against pjdfstest.txt beside it, and
# what does not pass against pjdfstest.skip, which says why.
#
#   pjdfstest.sh FOLDER      ends with 0 where all is as written there, 77 where pjdfstest cannot be had
#
# Needs root, and the program: cargo install pjdfstest --version 0.2.2, in PATH or in PJDFSTEST.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 1 ] || { echo "usage: pjdfstest.sh FOLDER" >&2 && exit 2; }

judge=${PJDFSTEST:-pjdfstest}
if [ "$(id -u)" != 0 ] || ! command -v "$judge" >/dev/null; then
    echo "SKIPPED: pjdfstest cannot be had here, or not by this user"
    exit 77
fi

beside=$(mktemp -d -p /dev/shm)
temp=$(mktemp -d)
trap 'rm -rf "$temp" "$beside"' EXIT
chmod 755 "$beside"
"$judge" -c "$here/pjdfstest.toml" -p "$1" -s "$beside" >"$temp/said" 2>&1 || true
sed 's/\x1b\[[0-9;]*m//g' "$temp/said" |
    awk 'NF == 2 && $1 ~ /::/ && $2 ~ /^(ok|FAILED|skipped)$/ { print $1, $2 }' | LC_ALL=C sort >"$temp/found"
grep -v '^#' "$here/pjdfstest.skip" | grep -v '^$' >"$temp/skip"
status=0
diff "$here/pjdfstest.txt" "$temp/found" || status=1
if awk '$2 != "ok" { print $1 }' "$temp/found" | grep -vEf "$temp/skip" >"$temp/bad"; then
    echo "not passed, and not in pjdfstest.skip:"
    cat "$temp/bad"
    status=1
fi
if [ "$status" -ne 0 ]; then
    grep -A4 -E 'FAILED$' "$temp/said" | grep -Ff "$temp/bad" -A4 || true
    exit 1
fi
echo "pjdfstest: $(grep -c ' ok$' "$temp/found") of $(wc -l <"$temp/found") pass, the others stand in pjdfstest.skip"
