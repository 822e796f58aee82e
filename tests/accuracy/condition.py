"""The condition number of evaluating a field at a point, in the inputs that an implementation is given.

Inputs p: every coordinate of x; the stored floats w_k, m0, m1, C00, C11, C01; the values α(t), β(t), γ²(t), α̇(t),
β̇(t), γγ̇(t) of the schedule; and the size of each C_k(t), a factor of its own, since `marginal(t)` is a mixture
that stores one covariance a component (without it the weights r_k would count as insensitive where γ²I or a shared
C00 makes the covariances equal: q_k − q_j is then known far better than q_k). The time t itself is exact: what an
implementation may lose in a schedule is a relative rounding of its values, not of 1 − t seen from t = 1. With f the
field at (t, x),

    cond = K / |f|,   K = max( |f|,  sup_δ |f(p(1 + ε δ)) − f(p)| / ε )   as ε → 0,   δ over structured signs:

relative and componentwise (a zero stays zero), symmetric for C00 and C11, equal for numbers that are one and the
same (x0 = x1 in the mirror coupling; isotropic variances), none for the exact coefficients ±1 and 0 of a linear path.
|·| is the Euclidean norm over the components of the field. The claim |f̂ − f| ≤ 100·eps·K needs no division where
f = 0.

The supremum is estimated from below, by the largest of SAMPLES random sign patterns and with no allowance for n
inputs: K is at most the true one, so the estimate can only make the suite stricter. Each difference is taken in
extended precision, ε = 2^−50 against a rounding of 2^−64: four digits, where one would do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.oracle import JointMixture, Point
from tests.accuracy.closed_form import SCHEDULE, Inputs, evaluate

SAMPLES = 8
STEP = 2.0**-50
EXTENDED = np.longdouble
AVAILABLE = np.finfo(EXTENDED).eps < 1e-18


def coefficients(point: Point) -> dict[str, Any]:
    """The schedule's values at the oracle's time, as long doubles; inside the session of the point's numbers."""
    alpha, beta, gamma = point.left
    alpha_dot, beta_dot, gamma_dot = point.rates()
    values = (alpha, beta, gamma * gamma, alpha_dot, beta_dot, gamma * gamma_dot)
    return {name: extended(value) for name, value in zip(SCHEDULE, values, strict=True)}


def extended(value: Any) -> Any:
    """A number of the oracle as a long double, without a detour through the nearest float64."""
    high = float(value)
    return EXTENDED(high) + EXTENDED(float(value - high))


def inputs_of(mixture: JointMixture, x: np.ndarray, values: dict[str, Any], dtype: Any = EXTENDED) -> Inputs:
    """One unperturbed `Inputs`, isotropic blocks spread over the coordinates."""

    def lift(array: np.ndarray) -> np.ndarray:
        return np.asarray(array, dtype=dtype)[None]

    def block(array: np.ndarray) -> np.ndarray:
        return lift(np.repeat(array[:, None], mixture.dim, axis=1) if mixture.kind == "isotropic" else array)

    blocks = (block(b) for b in (mixture.cov00, mixture.cov11, mixture.cov01))
    numbers = {name: np.asarray([value], dtype=dtype) for name, value in values.items()}
    return Inputs(lift(mixture.weights), lift(mixture.mean0), lift(mixture.mean1), *blocks, lift(x), numbers)


def perturbed(
    mixture: JointMixture, exact: Inputs, tied: bool, rng: np.random.Generator, samples: int = SAMPLES
) -> Inputs:
    """`exact` and then `samples` copies with every input moved by ±STEP relatively."""

    def factors(shape: tuple[int, ...]) -> np.ndarray:
        signs = rng.integers(0, 2, size=(samples, *shape)) * 2 - 1
        return np.concatenate([np.ones((1, *shape), EXTENDED), 1 + STEP * signs.astype(EXTENDED)])

    def move(value: np.ndarray, by: np.ndarray) -> np.ndarray:
        return value * by

    def block_factors(symmetric: bool) -> np.ndarray:
        shape = exact.cov00.shape[1:]
        if mixture.kind == "isotropic":
            return np.repeat(factors((*shape[:-1], 1)), shape[-1], axis=-1)
        by = factors(shape)
        if exact.full and symmetric:
            upper = np.triu(np.ones(shape[-2:], dtype=bool))
            by = np.where(upper, by, np.swapaxes(by, -1, -2))
        return by

    by_mean, by_cov = factors(exact.mean0.shape[1:]), block_factors(True)
    constant = {n: bool(np.all(np.isin(v, (-1, 0, 1)))) for n, v in exact.coefficients.items()}
    return Inputs(
        move(exact.weights, factors(exact.weights.shape[1:])),
        move(exact.mean0, by_mean),
        move(exact.mean1, by_mean if tied else factors(exact.mean1.shape[1:])),
        move(exact.cov00, by_cov),
        move(exact.cov11, by_cov if tied else block_factors(True)),
        move(exact.cov01, by_cov if tied else block_factors(False)),
        move(exact.x, factors(exact.x.shape[1:])),
        {n: np.repeat(v, samples + 1) if constant[n] else move(v, factors(())) for n, v in exact.coefficients.items()},
        factors(exact.weights.shape[1:]),
    )


def condition(
    mixture: JointMixture, x: np.ndarray, values: dict[str, Any], tied: bool = False, seed: int = 0
) -> dict[str, float]:
    """K = cond·|f| for every field. values: from `coefficients`; tied: x0 = x1; seed: of the sign patterns."""
    exact = inputs_of(mixture, x, values)
    with np.errstate(all="ignore"):  # past condition 1e15 a perturbed covariance may be indefinite: K is then inf
        fields = evaluate(perturbed(mixture, exact, tied, np.random.default_rng((seed, 1))))
    out = {}
    for name, value in fields.items():
        moves = np.sqrt(((value[1:] - value[0]) ** 2).sum(-1)) / STEP
        worst = max(float(np.sqrt((value[0] ** 2).sum())), float(np.max(moves)))
        out[name] = worst if np.isfinite(worst) else float("inf")
    return out
