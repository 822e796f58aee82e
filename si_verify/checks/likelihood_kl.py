"""KL from log densities at draws: unbiased, with an honest standard error; and the transport identity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from analytic import gaussian
from analytic.affine import GaussianPath
from analytic.mixture import GaussianMixture
from analytic.perturbation import PerturbedFields
from si_verify.check import Check, Context
from si_verify.likelihood.carried import CarriedLaw
from si_verify.likelihood.cases import affine_errors
from si_verify.likelihood.trial import of_form
from si_verify.measurement import Measurement, Outcome
from si_verify.stats import mean_test, split
from si_verify.subject import SubjectError

_REPEATS, _DRAWS = 300, 200
_PERTURBATIONS = (2, 4, 8)


def _pair(value: Any) -> tuple[float, float]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise SubjectError(f"estimate: expected (KL, standard error), got {value!r}")
    return float(value[0]), float(value[1])


def estimate(ctx: Context) -> Outcome:
    """Many estimates from few draws, against the closed form between two Gaussians."""
    law, path = np.random.default_rng(ctx.seed), GaussianPath.of(ctx.problem.interpolant)
    fields = affine_errors(path, law)
    p, q = path.law(ctx.problem.t_span[1]), fields.laws(0.0, np.array(ctx.problem.t_span))[-1]
    exact = gaussian.kl(p, q)
    x = p.sample(_REPEATS * _DRAWS, ctx.seed)
    logs = [
        torch.as_tensor(np.asarray(GaussianMixture([1.0], g.mean[None], g.cov[None]).log_density(x))).reshape(
            _REPEATS, -1
        )
        for g in (p, q)
    ]
    pairs = np.array([_pair(ctx.implementation(a, b)) for a, b in zip(*logs, strict=True)])
    alpha = split(ctx.alpha, 2)
    error = pairs[:, 0] - exact
    out = []
    squares = float(np.mean(pairs[:, 1] ** 2))
    for name, sample, expected in (
        ("mean error of KL", error, 0.0),
        ("squared error over that stated", error**2 / squares, 1.0),
    ):
        if not np.isfinite(sample).all():
            out.append(Measurement(name, float("nan"), 0.0, origin="sampling"))
            continue
        test = mean_test(sample, expected, alpha)
        out.append(
            Measurement(
                f"|{name} − {expected:g}|", test.deviation, test.critical, origin="sampling",
                why=f"{_REPEATS} estimates from {_DRAWS} draws; KL = {exact:.4g}", confidence=1 - alpha,
                detectable=test.detectable,
            )
        )  # fmt: skip
    return Outcome(tuple(out))


def identity(ctx: Context) -> Outcome:
    """∫∫ (∇log ρ̂ − ∇log ρ)·(b̂ − b) ρ dx dt against KL of the Gaussians that the flows end in."""
    path, span = GaussianPath.of(ctx.problem.interpolant), ctx.problem.t_span
    rows = []
    for i in range(_PERTURBATIONS[ctx.effort]):
        fields = affine_errors(path, np.random.default_rng([ctx.seed, i]), 0.3)
        flow = _Flow(fields, span)
        found = ctx.implementation(flow.gap, fields.velocity_error, flow.nodes, span)
        exact = fields.kl(0.0, span)
        # Every factor of the integrand is a solve with a covariance; ∂Σ of the flow adds that of its propagator.
        bound = 1e3 * np.finfo(float).eps * flow.condition() * (1.0 + exact)
        rows.append(
            Measurement(
                f"|∫∫ (∇log ρ̂ − ∇log ρ)·(b̂ − b) ρ − KL|, errors {i + 1}", abs(float(found) - exact), bound,
                why=f"c·eps·cond(C)·(1 + KL), KL = {exact:.4g}",
            )
        )  # fmt: skip
    return Outcome(tuple(rows))


class _Flow:
    """The law that the flow of b̂ carries, at any time, and nodes that integrate quadratics over the exact one."""

    def __init__(self, fields: PerturbedFields, span: tuple[float, float]) -> None:
        self.fields, self.carried = fields, CarriedLaw(fields, 0.0, span[0])

    def gap(self, t: float, x: np.ndarray) -> np.ndarray:
        """∇log ρ̂ − ∇log ρ at (N, D)."""
        there, here = self.carried.at(t), self.fields.path.law(t)
        return np.linalg.solve(here.cov, (x - here.mean).T).T - np.linalg.solve(there.cov, (x - there.mean).T).T

    def nodes(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """2D points at ±√D along the axes of a factor of C: exact for polynomials of degree three."""
        law = self.fields.path.law(t)
        directions = math.sqrt(law.dim) * np.concatenate([np.eye(law.dim), -np.eye(law.dim)])
        return law.mean + directions @ gaussian.factor(law.cov).T, np.full(2 * law.dim, 0.5 / law.dim)

    def condition(self) -> float:
        """The largest condition number met, with the steps of the propagator."""
        kept = self.carried.kept
        return max(float(np.linalg.cond(law.cov)) for law in kept.values()) * math.sqrt(len(kept))


_ALL = {"standard": "gaussian and order", "full": "gaussian and order"}
CHECKS = (
    Check(
        name="likelihood-kl",
        claim="KL from log densities at draws of p is unbiased, its standard error that of the paired differences",
        kinds=frozenset({"likelihood"}),
        measure=estimate,
        problems=_ALL | {"quick": "gaussian-2d-crossed"},
        applies=of_form("kl"),
        statistical=True,
        dtypes=("float64",),
        tags=frozenset({"likelihood", "kl"}),
        cost=0.5,
    ),
    Check(
        name="likelihood-transport-identity",
        claim="KL(ρ(1)‖ρ̂(1)) = ∫∫ (∇log ρ̂ − ∇log ρ)·(b̂ − b) ρ dx dt for any flow "
        "(arXiv:2303.08797, Lemma 2.21)",
        scope={"standard": "gaussian-1d, gaussian-2d-crossed"},
        kinds=frozenset({"likelihood"}),
        measure=identity,
        problems=_ALL | {"quick": ""},
        applies=of_form("identity"),
        dtypes=("float64",),
        tags=frozenset({"likelihood", "kl", "noise-free"}),
        cost=2.0,
    ),
)  # fmt: skip
