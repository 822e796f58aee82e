"""A coupling and a schedule at given times, as a source of component blocks; its moments for the public."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace, device

from analytic.arrays import Array, to_numpy, transfer
from analytic.coupling import Coupling
from analytic.covariance import transpose
from analytic.mixture import log_weights
from analytic.moments import InterpolantComponents, Parameters
from analytic.schedule import Coefficients, Schedule


@dataclass(frozen=True, eq=False)
class LawInTime:
    """The joint mixture at B times."""

    parameters: Parameters
    coefficients: Coefficients
    at: Array
    n_components: int

    @property
    def dim(self) -> int:
        """D."""
        return self.parameters.dim

    @property
    def kind(self) -> str:
        """Storage of the covariances."""
        return self.parameters.kind

    def components(self, times: slice, ks: slice) -> InterpolantComponents:
        """The components `ks` at the times `times`."""
        here = Coefficients(*(c[times] for c in self.coefficients))
        return InterpolantComponents(self.parameters, here, self.at[times], ks)


def parameters_of(coupling: Coupling, like: Array) -> Parameters:
    """The coupling's arrays in the library and on the device of `like`, and what vanishes in them."""
    xp, c = array_namespace(like), coupling
    shared = [bool(np.all(a == a[:1])) for a in map(to_numpy, (c.cov00, c.cov11, c.cov01))]
    weights, mean0, mean1, cov00, cov11, cov01 = (
        transfer(a, like) for a in (c.weights, c.mean0, c.mean1, c.cov00, c.cov11, c.cov01)
    )
    return Parameters(
        log_weights(weights),
        mean0,
        mean1,
        cov00,
        cov11,
        cov01,
        eye=xp.eye(c.dim, dtype=xp.float64, device=device(like)),
        kind=c.kind,
        base_centred=not np.any(to_numpy(c.mean0)),
        uncorrelated=c.uncorrelated,
        tied=c.tied,
        shared=(shared[0], shared[1], shared[2]),
    )


def require_standard_base(coupling: Coupling, schedule: Schedule) -> None:
    """ValueError unless x0 ~ N(0, I) independent of x1, as a one-sided schedule needs."""
    standard = np.eye(coupling.dim) if coupling.kind == "full" else 1.0
    problems = {
        "mean0 != 0": np.any(to_numpy(coupling.mean0)),
        "cov00 != I": np.any(to_numpy(coupling.cov00) != standard),
        "cov01 != 0": not coupling.uncorrelated,
    }
    found = [problem for problem, present in problems.items() if present]
    if found:
        raise ValueError(
            f"coupling: the one-sided schedule {schedule.name!r} needs a standard normal base independent of the "
            f"target, got {', '.join(found)}"
        )


@dataclass(frozen=True, eq=False)
class Moments:
    """Component moments at one time: mean, mean_dot (K, D); cov, cov_dot, cross in the storage `kind`.

    cross is A = Cov(x_dot, x_t), cov_dot = A + A^T. mean_dot, cov_dot and cross raise FieldUndefinedError
    where they are infinite.
    """

    kind: str
    mean: Array
    mean_dot: Array
    cov: Array
    cov_dot: Array
    cross: Array


def moments_at(components: InterpolantComponents) -> Moments:
    """The moments of components at their first time, broadcast to every component."""
    xp, kind = array_namespace(components.mean), components.parameters.kind
    first = {
        name: xp.broadcast_to(getattr(components, name), shape)[0, ...]
        for names, shape in (
            (("mean", "mean_dot"), components.mean0.shape),
            (("covariance", "cross"), components.parameters.cov00[None, ...].shape),
        )
        for name in names
    }
    cross = first["cross"]
    cov_dot = cross + transpose(cross, kind)
    return Moments(kind, first["mean"], first["mean_dot"], first["covariance"], cov_dot, cross)
