#!/usr/bin/env bash
# s3cmd against a gateway that runs: the commands of docs/s3.md, then a file in parts, a move, what changed, and the end of all of it.
#
#   s3cmd.sh ENDPOINT KEY SECRET [FILES]
set -euo pipefail
LIMIT_S=400
# shellcheck source=tests/clients/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
files=${4:-200}
need s3cmd s3cmd

tree Pictures "$files"
echo "a picture" >Pictures/a.jpg
noise $(((20 << 20) + 5)) >film.mkv
documented s3.md s3cmd >said
diff -r Pictures copy-of-pictures
found=$(s3cmd ls -r s3://photos/2026/ | wc -l)
[ "$found" = $((files + 1)) ] || die "$found objects are listed, not $((files + 1))"

s3cmd -q get s3://photos/film.mkv back.mkv
cmp back.mkv film.mkv
s3cmd -q mv s3://photos/film.mkv s3://photos/films/1.mkv
s3cmd -q get s3://photos/films/1.mkv - | cmp - film.mkv
s3cmd info s3://photos/films/1.mkv >said
grep -q "File size: *$(stat -c %s film.mkv)$" said
left=$(s3cmd multipart s3://photos | awk '/^2/')
[ -z "$left" ] || die "still open: $left"

rm -r Pictures/photos
echo "another picture" >Pictures/a.jpg
s3cmd -q sync --delete-removed Pictures/ s3://photos/2026/
s3cmd -q sync --delete-removed s3://photos/2026/ copy-of-pictures/
find copy-of-pictures -type d -empty -delete # it leaves folders
diff -r Pictures copy-of-pictures

s3cmd -q del s3://photos/films/1.mkv
s3cmd -q del -r -f s3://photos
left=$(s3cmd ls -r s3://photos)
[ -z "$left" ] || die "there is still $left"
s3cmd rb s3://photos
left=$(s3cmd ls)
[ -z "$left" ] || die "there is still $left"
echo "$(s3cmd --version): $files files there and back, 20 MiB in parts, all equal, all removed"
