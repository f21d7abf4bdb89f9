#!/usr/bin/env bash
# File managers against a gateway that runs, over WebDAV: GNOME's own calls, by gio, and rclone. The commands of docs/webdav.md, then
# what people do in a window: folders, files in and out, copies, new names, the end of all of it.
#
#   webdav.sh ENDPOINT KEY SECRET [FILES]
set -euo pipefail
LIMIT_S=300 WITHIN=
! command -v dbus-run-session >/dev/null || WITHIN="dbus-run-session --"
# shellcheck source=tests/clients/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
files=${4:-100}
need gio libglib2.0-bin
need dbus-run-session dbus-daemon
need rclone rclone
if [ ! -e /usr/share/gvfs/mounts/dav.mount ]; then
    echo "SKIPPED: gio has no WebDAV (package gvfs-backends)"
    exit 77
fi

# No disks, phones or mounts of this machine.
export GVFS_DISABLE_FUSE=1 GVFS_REMOTE_VOLUME_MONITOR_IGNORE=1 GIO_USE_VOLUME_MONITOR=unix

mkdir Pictures back
for name in a b "c 1" "#d" "100% e+f" "ü 照片"; do
    noise $((${#name} * 3333)) >"Pictures/$name.jpg"
done
: >Pictures/nothing.jpg
noise $(((20 << 20) + 5)) >Pictures/film.jpg
documented webdav.md "GNOME Files" < <(printf '%s\n' "$key" "$secret") >said

photos=dav://$address/photos
bring() { # everything of a folder, by the addresses that it is listed with
    local all
    mapfile -t all < <(gio list -u "$1")
    rm -rf "${2:?}" && mkdir "$2"
    gio copy "${all[@]}" "$2"
}
bring "$photos/" back
diff -r Pictures back

for folder in 2026 2026/may 2026/may/raw; do gio mkdir "$photos/$folder"; done
gio copy "$photos/film.jpg" "$photos/2026/may/"
gio rename "$photos/2026/may/film.jpg" "film 1.jpg"
gio move "$photos/a.jpg" "$photos/2026/may/"
gio save "$photos/2026/may/raw/note" <"Pictures/c 1.jpg"
gio save "$photos/2026/may/raw/note" <Pictures/b.jpg # once more: it is replaced
gio move "$photos/2026/may" "$photos/2026/june"
! gio info "$photos/2026/may" >said 2>&1 || die "a folder that was moved is still there"
! gio info "$photos/a.jpg" >said 2>&1 || die "a file that was moved is still there"
gio cat "$photos/2026/june/raw/note" | cmp - Pictures/b.jpg
gio cat "$photos/2026/june/a.jpg" | cmp - Pictures/a.jpg
gio cat "$photos/2026/june/film%201.jpg" | cmp - Pictures/film.jpg
gio info "$photos/2026/june/film%201.jpg" >said
grep -qx "size: *$(stat -c %s Pictures/film.jpg)" said
grep -qx " *standard::content-type: image/jpeg" said
gio remove "$photos/2026/june/raw/note" "$photos/2026/june/raw" "$photos/2026/june/a.jpg"
found=$(gio list "$photos/2026/june")
[ "$found" = "film 1.jpg" ] || die "in the folder is: $found"
gio mount -u "dav://$address/"

tree Documents "$files"
documented webdav.md rclone
tree Documents/more $((files / 10 + 3)) 2
rm -r Documents/photos
rclone sync Documents home:papers
rclone check Documents home:papers --download
rclone moveto home:papers/more home:papers/even/more
mkdir Documents/even && mv Documents/more Documents/even
rclone sync home:papers copy
diff -r Documents copy
rclone purge home:papers
rclone purge home:photos
left=$(rclone lsf home:)
[ -z "$left" ] || die "there is still $left"
echo "gvfs by gio $(gio version), $(rclone version | awk 'NR == 1'): folders, files, copies, moves, new names; $files files synced, all equal, all removed"
