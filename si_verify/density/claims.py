"""What a density solver says of itself: ``Claims.order`` and the keys of ``Claims.extra`` that the pde checks read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from si_verify.subject import Subject

EQUATIONS = ("transport", "fokker-planck")


@dataclass(frozen=True)
class DensityClaims:
    """Claims of a subject of kind ``pde``.

    form          "averages" (cell averages in and out), "points" (values at cell centres), or "particles"
    order         global order in h in L1, time steps as the solver chooses them; not given: 1, the least of any
                  convergent scheme
    orders        orders in other norms where they differ: {"L2": ..., "L∞": ...}
    equations     "transport" (ε = 0), "fokker-planck" (ε > 0)
    directions    "forward" (up in t), "backward" (down in t)
    conservative  Σ ρ is kept to rounding
    positive      never below zero
    steady        "exact": a Gaussian Gibbs state, sampled at cell centres, is kept to rounding
    walls         "closed": also where density reaches the walls, none crosses them
    dims          dimensions it takes
    """

    form: str = "averages"
    order: float = 1.0
    orders: tuple[tuple[str, float], ...] = ()
    equations: tuple[str, ...] = EQUATIONS
    directions: tuple[str, ...] = ("forward", "backward")
    conservative: bool = False
    positive: bool = False
    steady: str = ""
    walls: str = ""
    dims: tuple[int, ...] = (1, 2, 3)

    @property
    def on_grid(self) -> bool:
        return self.form in ("averages", "points")

    def order_in(self, norm: str) -> float:
        """The claimed order in "L1", "L2", "L∞" or "KL"; a divergence is quadratic in the error, by that of L2."""
        if norm == "KL":
            return 2.0 * self.order_in("L2")
        return dict(self.orders).get(norm, self.order)

    def amounts(self) -> tuple[str, ...]:
        """Diffusions (cases.py) that the solver claims to take, the most telling first."""
        diffusive = ("varying", "constant") if "fokker-planck" in self.equations else ()
        still = ("zero",) if "transport" in self.equations else ()
        return diffusive[:1] + still + diffusive[1:]


def density_claims(subject: Subject) -> DensityClaims:
    """Read a subject's claims; ValueError for a key that does not exist."""
    extra: dict[str, Any] = dict(subject.claims.extra)
    known = {f.name for f in fields(DensityClaims)} - {"order"}
    if unknown := sorted(set(extra) - known):
        raise ValueError(f"claims.extra: unknown {unknown} for kind pde; expected some of {sorted(known)}")
    if "orders" in extra:
        extra["orders"] = tuple(dict(extra["orders"]).items())
    return DensityClaims(order=subject.claims.order or 1.0, **extra)
