"""What compiled code reads: a pattern as a cell's reflections see it, and atoms on their sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from data.form_factors import DEFAULT_U_ISO, atomic_numbers, form_factor
from data.preparation import Prepared
from generator.direct.chemistry import Chemistry
from generator.direct.frame import Frame, Orbit
from generator.direct.misfit import Model, View
from search.first_stage import visible
from search.profile_fit import SHAPE_SPAN, intensity, shape_table

BLUR = 1.5
"""Width of the profiles that are compared, in units of the pattern's own: cells are not exact."""
STRIDE = 2
"""Points of the pattern that become one."""
SPAN = 2.0
"""Reflections are drawn to this many widths on either side."""
MOST_REFLECTIONS = 200
"""That take part, those of small angles."""
FARTHEST_BOND = 1.2
"""Bonds are counted to this length in Å beyond that of valence one."""
CORNERS = np.array(list(product((-3, -2, -1, 0, 1, 2), repeat=3)), dtype=np.float64)
SIGNS = np.array(list(product((-1.0, 1.0), repeat=3)))

_FLOAT = NDArray[np.float64]
Site = tuple[str, Orbit]


@dataclass(frozen=True, eq=False)
class Curve:
    """The measured profile that structures are sought on.

    Attributes:
        root: square roots of the blurred net curve. Shape (p,).
        start_deg, step_deg: of its 2θ axis.
        fwhm_deg: of a line.
        wavelength_angstrom: the mean of the doublet.
        q_max_inv_angstrom: where it ends.
    """

    root: _FLOAT
    start_deg: float
    step_deg: float
    fwhm_deg: float
    wavelength_angstrom: float
    q_max_inv_angstrom: float

    @classmethod
    def of(cls, prepared: Prepared) -> Curve:
        """Blur a prepared pattern and thin it out."""
        sigma = np.sqrt(BLUR**2 - 1.0) * prepared.fwhm_deg / 2.3548 / prepared.step_deg
        net = gaussian_filter1d(visible(prepared), sigma, mode="constant")[::STRIDE]
        beams = np.asarray(prepared.wavelengths_angstrom)
        wavelength = float(beams @ prepared.weights / np.sum(prepared.weights))
        end = np.radians(prepared.two_theta_deg[-1] / 2)
        return cls(
            np.sqrt(np.maximum(net, 0.0)),
            float(prepared.two_theta_deg[0]),
            STRIDE * prepared.step_deg,
            BLUR * prepared.fwhm_deg,
            wavelength,
            float(4 * np.pi * np.sin(end) / wavelength),
        )


def view_of(
    curve: Curve, frame: Frame, elements: Sequence[str], *, zero_shift_deg: float = 0.0
) -> View:
    """The pattern as the reflections of a cell see it.

    Args:
        curve: the pattern.
        frame: cell and space group.
        elements: that scatter, in the order of the rows of `View.factors`.
        zero_shift_deg: added to the calculated 2θ.
    """
    inv_d2, many, hkl = frame.reflections(curve.q_max_inv_angstrom)
    sine = np.sqrt(inv_d2) / 2 * curve.wavelength_angstrom
    centre = 2 * np.degrees(np.arcsin(np.minimum(sine, 1.0))) + zero_shift_deg - curve.start_deg
    reach = SPAN * curve.fwhm_deg
    seen = np.flatnonzero((centre > reach) & (sine < 0.999))[:MOST_REFLECTIONS]
    inv_d2, many, hkl = inv_d2[seen], many[seen], hkl[seen]
    sine, centre = sine[seen], centre[seen]
    begins = np.maximum(np.ceil((centre - reach) / curve.step_deg), 0).astype(np.int64)
    ends = np.floor((centre + reach) / curve.step_deg).astype(np.int64)
    sizes = np.minimum(ends, len(curve.root) - 1) - begins + 1
    inside = sizes > 0
    begins, sizes = begins[inside], sizes[inside]
    places = begins[:, None] + np.arange(int(sizes.max(initial=1)))
    away = np.abs(places * curve.step_deg - centre[inside, None]) / (SHAPE_SPAN * curve.fwhm_deg)
    table = shape_table()
    shapes = table[np.minimum((away * (len(table) - 1)).astype(np.int64), len(table) - 1)]
    area = np.array([intensity(m, s) for m, s in zip(many[inside], sine[inside], strict=True)])
    numbers = atomic_numbers(elements)
    factors = np.array(
        [
            form_factor(symbol, inv_d2[inside])
            * np.exp(-2 * np.pi**2 * DEFAULT_U_ISO[number] * inv_d2[inside])
            for symbol, number in zip(elements, numbers, strict=True)
        ]
    )
    return View(
        np.ascontiguousarray(hkl[inside]),
        factors,
        begins,
        sizes,
        np.ascontiguousarray(shapes * area[:, None]),
        curve.root,
    )


def model_of(frame: Frame, sites: Sequence[Site], chemistry: Chemistry) -> Model:
    """Atoms on sites, as compiled code reads them.

    Args:
        frame: cell and space group.
        sites: element and orbit of each.
        chemistry: of the elements, in the order of the rows of `View.factors`.
    """
    begins = np.concatenate([[0], np.cumsum([orbit.free for _, orbit in sites])])
    points = np.array([len(orbit) for _, orbit in sites])
    site = np.repeat(np.arange(len(sites)), points)
    weights = np.concatenate([orbit.weights for _, orbit in sites])
    order = np.argsort(weights == 0.0, kind="stable")
    site = site[order]
    kinds = np.array([chemistry.elements.index(symbol) for symbol, _ in sites])
    first_of = np.array([int(np.flatnonzero(site == s)[0]) for s in range(len(sites))])
    # Pairs of two sites would be met from both sides; one is enough.
    others = [(s, j) for s in range(len(sites)) for j in range(len(site)) if site[j] >= s]
    apart = np.array([(s, j) for s, j in others if j != first_of[s]], np.int64).reshape(-1, 2)
    both = np.column_stack([apart[:, 0], site[apart[:, 1]]])
    near = chemistry.nearest[kinds[both[:, 0]], kinds[both[:, 1]]]
    lengths = chemistry.lengths[kinds[both[:, 0]], kinds[both[:, 1]]]
    reaches = np.maximum(near, np.where(lengths > 0, lengths + FARTHEST_BOND, 0.0))
    return Model(
        kinds[site],
        begins[site],
        np.concatenate([orbit.maps for _, orbit in sites])[order],
        np.concatenate([orbit.origins for _, orbit in sites])[order],
        weights[order],
        int((weights > 0).sum()),
        int(begins[-1]),
        frame.centric,
        np.column_stack([first_of[both[:, 0]], apart[:, 1]]),
        near,
        points[both[:, 0]] * np.where(both[:, 0] == both[:, 1], 0.5, 1.0),
        both,
        lengths,
        points[both[:, 0]] / points[both[:, 1]],
        reaches,
        np.abs(chemistry.charges)[kinds],
        points.astype(np.float64),
        frame.basis,
        _within(frame.basis, float(reaches.max(initial=0.0))),
    )


def _within(basis: _FLOAT, reach: float) -> _FLOAT:
    """Lattice vectors in Å that may bring a point of the cell within reach of 0. Shape (t, 3)."""
    near = np.array([np.array([0.0, 0.5, 1.0])] * 3)
    grid = np.stack(np.meshgrid(*near, indexing="ij"), axis=-1).reshape(-1, 3) @ basis
    vectors = CORNERS @ basis
    # From the nearest point of the grid nothing of the cell is farther than a quarter diagonal.
    slack = 0.25 * max(np.linalg.norm(SIGNS @ basis, axis=1))
    closest = np.linalg.norm(grid[None] + vectors[:, None], axis=2).min(axis=1)
    return np.ascontiguousarray(vectors[closest < reach + slack])
