"""What writers and readers import, so that the server they are forked off has it already.

Nothing is called here: Lance, and Numba's threads, may be forked only before they are first used.
"""

import warnings

import lancedb

import benchmarks.chaos.reader
import benchmarks.chaos.writer
import indexer.templates.collecting

__all__ = ["benchmarks", "indexer", "lancedb"]

# Its runtime has not begun when the server forks.
warnings.filterwarnings("ignore", "lancedb fork support", RuntimeWarning)
