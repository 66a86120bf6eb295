"""Torch, which network and refinement run in: whether it is there, and on how many cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


def has_torch() -> bool:
    """Whether torch can be imported; it is not."""
    return find_spec("torch") is not None


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Torch on the calling thread alone while this lasts; around functions, too.

    Tensors this small gain little from a second core, and take many times as long where their
    threads wait for a core that another process has. Numba's parallel loops set the number of
    torch's threads as well, so that it must be set at each use and not once for all.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
