#!/usr/bin/env bash
# The AWS CLI against a gateway that runs: the commands of docs/s3.md, then a file in parts, an address that anybody may open, what
# changed, and the end of all of it.
#
#   aws.sh ENDPOINT KEY SECRET [FILES]
set -euo pipefail
LIMIT_S=400
# shellcheck source=tests/clients/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
files=${4:-1000}
need aws "awscli, of tests/clients/requirements.txt"

export AWS_EC2_METADATA_DISABLED=true AWS_PAGER=

count() { aws s3 ls --recursive --summarize "$1" | awk '/Total Objects:/ { print $3 }'; }

tree Pictures "$files"
echo "a picture" >Pictures/a.jpg
documented s3.md "AWS CLI" >said
diff -r Pictures copy-of-pictures
found=$(count s3://photos/2026/)
[ "$found" = $((files + 1)) ] || die "$found objects are listed, not $((files + 1))"

open() { python3 -c 'import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())' "$1"; }
signed=$(tail -n 1 said)
open "$signed" | cmp - Pictures/a.jpg
! open "${signed/a.jpg/0.txt}" >said 2>&1 || die "an address opened what it was not signed for"

# 72 MiB go in nine parts, come back in ranges, and are copied in parts without leaving.
noise $(((72 << 20) + 5)) >film.mkv
aws s3 cp --only-show-errors film.mkv s3://photos/film.mkv
aws s3 mv --only-show-errors s3://photos/film.mkv s3://photos/films/1.mkv
aws s3 cp --only-show-errors s3://photos/films/1.mkv - | cmp - film.mkv
aws s3 cp --only-show-errors s3://photos/films/1.mkv back.mkv
cmp back.mkv film.mkv

# What changed goes over, what went goes.
rm -r Pictures/photos
echo "another picture" >Pictures/a.jpg
aws s3 sync --only-show-errors --delete Pictures s3://photos/2026/
aws s3 sync --only-show-errors --delete s3://photos/2026/ copy-of-pictures
find copy-of-pictures -type d -empty -delete # it leaves folders
diff -r Pictures copy-of-pictures

aws s3 rm --only-show-errors --recursive s3://photos
aws s3 rb s3://photos # an empty one only
left=$(aws s3 ls)
[ -z "$left" ] || die "there is still $left"
echo "$(aws --version | cut -d' ' -f1): $files files there and back, 72 MiB in parts, a signed address opened, all equal, all removed"
