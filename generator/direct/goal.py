"""What coordinates are sought for: the same descent serves a pattern and whatever else joins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.extending import overload
from numpy.typing import NDArray

from generator.direct.misfit import Model, View, misfit

Goal = Any
"""A named tuple of a class that has joined; see `joins`."""

_Type = Any
"""What numba calls the type of an argument."""
_BY_GOAL: dict[type, Callable[..., tuple[float, float]]] = {}


def misfit_of(
    goal: Goal, model: Model, used: int, parameters: NDArray[Any], gradient: NDArray[Any]
) -> tuple[float, float]:
    """Misfit with all that atoms do not like, and the goal's own part; only in compiled code.

    Args:
        goal: of a class that has joined.
        model: the atoms.
        used: the first so many reflections take part; of a goal that has none it says nothing.
        parameters: Shape (f,).
        gradient: takes that of the misfit. Shape (f,).
    """
    raise NotImplementedError


def joins(goal: type, its_misfit: Callable[..., tuple[float, float]]) -> None:
    """Let coordinates be sought for a class of named tuples, too.

    Args:
        goal: the class.
        its_misfit: compiled, with the arguments of `misfit_of`.
    """
    _BY_GOAL[goal] = its_misfit


@overload(misfit_of)
def _chosen(goal: _Type, model: _Type, used: _Type, parameters: _Type, gradient: _Type) -> _Type:  # noqa: ARG001 - the signature is the point
    """Which one, settled when the caller is compiled."""
    if not isinstance(goal, types.NamedTuple | types.NamedUniTuple):
        return None
    its_misfit = _BY_GOAL[goal.instance_class]

    def one(goal: _Type, model: _Type, used: _Type, parameters: _Type, gradient: _Type) -> _Type:
        return its_misfit(goal, model, used, parameters, gradient)

    return one


joins(View, misfit)
