"""Curves as the service packs them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def unpacked(text: str, *, hkl: bool = False) -> NDArray[Any]:
    """The numbers of a curve; needs numpy.

    Args:
        text: base64 of little-endian float32, or of int16 for `hkl`.
        hkl: whether it holds the indices of lines, three each.

    Returns:
        Shape (n,), or (n, 3) for `hkl`.
    """
    import numpy as np

    raw = base64.b64decode(text)
    return np.frombuffer(raw, "<i2").reshape(-1, 3) if hkl else np.frombuffer(raw, "<f4")
