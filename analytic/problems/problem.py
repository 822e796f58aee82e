"""What a problem of the catalogue is: a named interpolant, what it stresses, and where its fields exist."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from analytic.interpolant import Interpolant

TAGS = {
    "1d": "one dimension",
    "2d": "two dimensions",
    "high-dimensional": "more than three dimensions",
    "gaussian": "one component: every field affine in x",
    "mixture": "several components",
    "multimodal": "several separated modes at t = 1",
    "product": "independent one-dimensional mixtures in some orthonormal basis",
    "exact-flow": "reference_flow is a closed form (rounding error only)",
    "independent": "x0 and x1 independent",
    "correlated": "C01 is not zero",
    "mirror": "x0 = x1",
    "entropic": "the Schroedinger coupling of two Gaussians",
    "one-sided": "standard normal base that serves as the noise, gamma = 0",
    "latent": "gamma > 0 for 0 < t < 1",
    "no-latent": "gamma = 0",
    "trigonometric": "trigonometric alpha and beta",
    "encoding-decoding": "all of x_{1/2} is noise",
    "dataset": "point masses at t = 1: the ideal denoiser of a finite data set",
    "anisotropic": "condition number of a covariance of 1e6 or more",
    "extreme": "scales or weights near what float64 holds",
    "many-components": "100 components or more",
    "time-symmetric": "b(1 - t, x) = -b(t, x): leading errors cancel and methods show more than their order",
    "order": "b has bounded derivatives on t_span: fit for convergence orders",
    "singular-ends": "b is unbounded or its derivatives are at an end: order reduction is the right answer",
    "kink": "a derivative of b jumps inside t_span: order reduction unless a step ends there",
    "stiff": "the velocity's Jacobian exceeds 100 where samples lie, somewhere on t_span",
    "sde-ok": "no component has a variance below 0.01 on t_span, so explicit SDE solvers are stable at usual steps",
    "data-extra": "needs scikit-learn (the extra `data`)",
    "costly": "one evaluation at 1000 points takes over 50 ms on one core",
}


@dataclass(frozen=True, eq=False)
class Problem:
    """A named interpolant with closed-form answers.

    name: kebab-case, unique. family: the module's theme. tags: keys of `TAGS`. regime: one line on what it
    stresses. build: makes the interpolant (called once, on first use). dim, n_components: of what `build` makes,
    declared so that listing a problem builds nothing. t_span: the times between which fields exist and solvers are
    run. window: plot limits (low, high) of the first one or two coordinates.
    """

    name: str
    family: str
    tags: frozenset[str]
    regime: str
    build: Callable[[], Interpolant]
    dim: int
    n_components: int
    window: tuple[tuple[float, float], ...]
    t_span: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"name: expected kebab-case, got {self.name!r}")
        unknown = sorted(set(self.tags) - set(TAGS))
        if unknown:
            raise ValueError(f"tags: {self.name} has {unknown}, which are not in analytic.problems.problem.TAGS")
        if not (0.0 <= self.t_span[0] < self.t_span[1] <= 1.0):
            raise ValueError(f"t_span: expected 0 <= start < end <= 1, got {self.t_span}")
        if len(self.window) != min(self.dim, 2):
            raise ValueError(f"window: expected {min(self.dim, 2)} pair(s) for dim {self.dim}, got {self.window}")

    @cached_property
    def interpolant(self) -> Interpolant:
        """The interpolant, built on first use and kept."""
        return self.build()

    def has(self, *tags: str) -> bool:
        """Whether the problem carries all the tags."""
        return self.tags.issuperset(tags)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "interpolant"}


def tagged(*groups: str | Iterable[str]) -> frozenset[str]:
    """A set of tags from words and sets of words."""
    out: set[str] = set()
    for group in groups:
        out.update([group] if isinstance(group, str) else group)
    return frozenset(out)
