#!/usr/bin/env bash
# rclone against a gateway that runs, over S3: the commands of docs/s3.md, then what changed is brought over, times alone too, a file
# in parts, and everything back. Every byte is read and compared.
#
#   rclone.sh ENDPOINT KEY SECRET [FILES]
set -euo pipefail
LIMIT_S=400
# shellcheck source=tests/clients/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
files=${4:-500}
need rclone rclone

# Names, sizes and times, as rclone sees them.
shown() { rclone lsf -R --files-only --format pst "$1" | sort; }

tree Documents "$files"
documented s3.md rclone
rclone check Documents home:papers --download

# Content changes, names come and go, a time changes alone.
tree Documents/more $((files / 20)) 2
rm -r Documents/photos
echo another >Documents/0.txt
touch -d 2020-02-02T02:02:02 "Documents/letters/1 copy.jpg"
rclone sync Documents home:papers
rclone check Documents home:papers --download
diff <(shown Documents) <(shown home:papers)

noise $((40 << 20)) >film.mkv
rclone copyto film.mkv home:papers/film.mkv --s3-upload-cutoff 16M --s3-chunk-size 8M
rclone moveto home:papers/film.mkv home:papers/films/1.mkv
rclone cat home:papers/films/1.mkv | cmp - film.mkv
rclone cat home:papers/films/1.mkv --offset 12345678 --count 10 | cmp -i 0:12345678 -n 10 - film.mkv

mkdir -p Documents/films
mv film.mkv Documents/films/1.mkv
rclone sync home:papers back
diff -r Documents back
rclone purge home:papers
left=$(rclone lsd home:)
[ -z "$left" ] || die "there is still $left"
echo "$(rclone version | awk 'NR == 1'): $files files synced, checked, changed, read back, equal"
