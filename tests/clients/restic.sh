#!/usr/bin/env bash
# restic against a gateway that runs: the commands of docs/s3.md, then a second backup of a changed tree, after which the first one
# is forgotten and its content removed. What is restored is what was there, bytes, names, modes, times and links.
#
#   restic.sh ENDPOINT KEY SECRET [FILES]
set -euo pipefail
LIMIT_S=600
# shellcheck source=tests/clients/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
files=${4:-5000}
need restic restic

export RESTIC_PASSWORD=only-here

# Both trees have the same bytes, names, kinds, sizes, modes, times and links.
same() {
    diff -r --no-dereference "$1" "$2"
    diff <(shown "$1") <(shown "$2")
}
shown() { (cd "$1" && find . -printf '%p %y %s %m %T@ %l\n' | sed 's/ d [0-9]* / d /' | sort); }

tree Documents "$files"
chmod 600 Documents/0.txt
ln -s ../0.txt Documents/letters/link
mkdir Documents/empty
documented s3.md restic
same Documents "restored$HOME/Documents"
rm -r restored

# As it is on another day, and read on another machine: nothing of it lies in a cache.
tree Documents/more $((files / 20)) 2
rm -r Documents/photos
here_it_is="s3:$endpoint/backups"
restic -q -r "$here_it_is" backup ~
restic -q -r "$here_it_is" forget --keep-last 1 --prune
rm -r "$XDG_CACHE_HOME"
restic -q -r "$here_it_is" check --read-data
restic -q -r "$here_it_is" restore latest --target restored
same Documents "restored$HOME/Documents"
left=$(restic -r "$here_it_is" snapshots --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')
[ "$left" = 1 ] || die "$left snapshots are left, not 1"
echo "$(restic version | cut -d' ' -f1-2): $files files backed up, read, restored, equal; a second backup too, the first forgotten"
