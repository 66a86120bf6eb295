"""Write the million's crystals as files: python -m benchmarks.million.files FOLDER --count 5000.

Only those whose conventional cell has so many atoms, so that `braggle bench ingest FOLDER` has
enough files of one size for starting and publishing not to be most of its time.
"""

from __future__ import annotations

import argparse
from itertools import count, islice
from pathlib import Path

from benchmarks.million.crystals import Varied
from benchmarks.million.steps import SEED


def main() -> None:
    """Write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--atoms", type=int, nargs=2, default=(16, 24), metavar=("FIRST", "LAST"))
    options = parser.parse_args()
    first, last = options.atoms
    options.folder.mkdir(parents=True, exist_ok=True)
    offered = (Varied.of(number, SEED) for number in count())
    fitting = (one for one in offered if first <= len(one.crystal()) <= last)
    for one in islice(fitting, options.count):
        file = one.read()
        (options.folder / file.name).write_bytes(file.content)


if __name__ == "__main__":
    main()
