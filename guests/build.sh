#!/usr/bin/env bash
# Rebuilds all C guests: `guests/build.sh [FOLDER]`, into guests/wasm unless another folder is given.
#
# The compiler is the Python package in requirements.txt, in whatever `python3` (or $PYTHON) finds it; the same package makes
# the same bytes on every machine. Install it with `pip install -r guests/requirements.txt`, for instance in a venv.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
to=${1:-$here/wasm}
python=${PYTHON:-python3}

mkdir -p "$to"
to=$(cd "$to" && pwd)
wanted=$(sed -n 's/^ziglang==//p' "$here/requirements.txt")
found=$("$python" -c 'import importlib.metadata as m; print(m.version("ziglang"))' 2>/dev/null || echo none)
[ "$found" = "$wanted" ] || { echo "ziglang $wanted is needed, found: $found" >&2; exit 3; }

# Relative names and no debug information: nothing of this machine gets into the bytes.
cd "$here/src"
flags=(--target=wasm32-wasi -std=gnu17 -O3 -g0 -s -Wall -Wextra -Werror -fno-ident -Wl,-z,stack-size=131072)
for source in *.c; do
    "$python" -m ziglang cc "${flags[@]}" -o "$to/${source%.c}.wasm" "$source"
done
chmod 644 "$to"/*.wasm
