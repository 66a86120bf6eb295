"""How many cores torch is given."""

import numba
import numpy as np
import torch

from generator.torch_use import one_torch_thread


@numba.njit(parallel=True)
def _sum(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    total = 0.0
    for i in numba.prange(len(values)):
        total += values[i]
    return total


def test_torch_keeps_to_one_thread_whatever_numba_did() -> None:
    before = torch.get_num_threads()
    try:
        _sum(np.ones(10))
        torch.set_num_threads(2)

        @one_torch_thread()
        def threads() -> int:
            return torch.get_num_threads()

        assert [threads(), threads()] == [1, 1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
