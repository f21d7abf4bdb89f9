#!/usr/bin/env python3
"""A folder of many files, the same ones for the same seed: names as people give them, sizes around every edge.

    tree.py FOLDER FILES [SEED]

The third is of 5 MiB and a bit; of the others one in fifty is empty, one in fifty of 256 KiB, the rest of 1 to 32 KiB.
"""

import pathlib
import random
import sys

FOLDERS = ["", "letters", "letters/2026 a", "照片", "photos/été", "photos/été/raw", "src/a+b", "src/100%", "music & more"]
NAMES = ["{}.txt", "{} copy.jpg", "서류-{}.pdf", "{}~", ".{}", "{}+{}.c", "{}%20.html", "it's {}.md", "{}#1", "[{}]"]
LARGE, MIDDLE, SMALL = (5 << 20) + 77, 256 << 10, 32 << 10

folder, files, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int((sys.argv[3:] or ["1"])[0])
chance = random.Random(seed)
for at in range(files):
    size = {2: LARGE}.get(at, {0: 0, 1: MIDDLE}.get(at % 50, chance.randint(1, SMALL)))
    place = folder / FOLDERS[at % len(FOLDERS)]
    place.mkdir(parents=True, exist_ok=True)
    (place / NAMES[at % len(NAMES)].format(at, at)).write_bytes(chance.randbytes(size))
