"""Write the million's crystals as files: python -m benchmarks.million.files FOLDER --count 5000.

Only those whose conventional cell has so many atoms, so that `braggle bench ingest FOLDER` has
enough files of one size for starting and publishing not to be most of its time.
"""

from __future__ import annotations

import argparse
from itertools import count, islice
from pathlib import Path

from rich.progress import track

from benchmarks.million.crystals import MOST_ATOMS, Varied, moulds
from benchmarks.million.steps import SEED


def main() -> None:
    """Write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--atoms", type=int, nargs=2, default=(16, 24), metavar=("FIRST", "LAST"))
    options = parser.parse_args()
    first, last = options.atoms
    if options.folder.exists() and not options.folder.is_dir():
        parser.error(f"{options.folder}: is no folder; name one")
    if not any(first <= len(one) <= last for one in moulds()):
        parser.error(
            f"--atoms {first} {last}: no bundled crystal that is varied has so many; they have up "
            f"to {MOST_ATOMS}"
        )
    options.folder.mkdir(parents=True, exist_ok=True)
    offered = (Varied.of(number, SEED) for number in count())
    fitting = (one for one in offered if first <= len(one.crystal()) <= last)
    for one in track(islice(fitting, options.count), "CIFs", options.count):
        file = one.read()
        (options.folder / file.name).write_bytes(file.content)


if __name__ == "__main__":
    main()
