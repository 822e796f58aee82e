"""Conditional means by integrating them, where the dimension allows: the tilt's own witness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analytic.oracle.arithmetic import Arithmetic
from analytic.oracle.law import JointMixture
from analytic.oracle.path import Path

VARIABLES = ("velocity", "interpolant_velocity", "base_denoiser", "target_denoiser", "denoiser")
_REACH = 11  # standard deviations: e^{−60} is left out
_NODES_PER_WIDTH = 2  # trapezoidal error for a Gaussian, e^{−2π²·4}


def conditional_means(
    a: Arithmetic, mixture: JointMixture, path: Path, t: float, x: Sequence[float]
) -> tuple[dict[str, list[Any]], Any]:
    """({field: D means}, ρ(t, x)) by the trapezoidal rule over the endpoints; use inside `a.session()`.

        E[y | x_t = x] = ∫∫ y p(x0, x1) N(x; αx0 + βx1, γ²I) dx0 dx1 / ∫∫ p(x0, x1) N(x; …) dx0 dx1

    with z = (x − αx0 − βx1)/γ on the fibre. Needs γ(t) > 0 and a positive definite (x0, x1): D = 1, or any D in
    isotropic or diagonal storage, where a component's integral is a product over the coordinates. The rule is
    exponentially accurate on entire, rapidly decaying integrands; about 20 digits come out.
    """
    if mixture.kind == "full" and mixture.dim > 1:
        raise ValueError("mixture: quadrature needs D = 1 or coordinates that are independent in each component")
    time = a.number(t)
    left = path.at(a, time)
    if not left[2] > 0:
        raise ValueError(f"t: quadrature over the fibre needs gamma(t) > 0, got t = {t!r}")
    rates = path.rates(a, time, a.number(10) ** -(a.digits // 3) * min(time, 1 - time))
    sums = {name: [a.number(0)] * mixture.dim for name in VARIABLES}
    total = a.number(0)
    for k in range(mixture.n_components):
        lines = [_line(a, mixture, left, rates, x[i], k, i) for i in range(mixture.dim)]
        weight = a.number(float(mixture.weights[k]))
        mass = weight
        for line in lines:
            mass *= line[0]
        total += mass
        for i, (own, moments) in enumerate(lines):
            for name in VARIABLES:
                sums[name][i] += mass / own * moments[name]
    return {name: [v / total for v in values] for name, values in sums.items()}, total


def _line(
    a: Arithmetic, mixture: JointMixture, left: Sequence[Any], rates: Sequence[Any], target: float, k: int, i: int
) -> tuple[Any, dict[str, Any]]:
    """∫∫ p N and ∫∫ y p N for coordinate i of component k."""

    def read(block: Any) -> Any:
        flat = block[k].reshape(-1)
        return a.number(float(flat[i if flat.size > 1 else 0]))

    (alpha, beta, gamma), (ra, rb, rg) = left, rates
    m0, m1 = a.number(float(mixture.mean0[k, i])), a.number(float(mixture.mean1[k, i]))
    s00, s11, s01 = read(mixture.cov00), read(mixture.cov11), read(mixture.cov01)
    area = s00 * s11 - s01 * s01
    goal = a.number(float(target))
    # No feature of the integrand is narrower than the trace of its log's curvature allows.
    width = 1 / a.sqrt((s00 + s11) / area + (alpha**2 + beta**2) / gamma**2)
    step = width / _NODES_PER_WIDTH
    nodes0, nodes1 = (_nodes(m, a.sqrt(s), step) for m, s in ((m0, s00), (m1, s11)))
    mass, moments = a.number(0), dict.fromkeys(VARIABLES, a.number(0))
    for p in nodes0:
        u = p - m0
        for q in nodes1:
            v = q - m1
            z = (goal - alpha * p - beta * q) / gamma
            value = a.exp(-(s11 * u * u - 2 * s01 * u * v + s00 * v * v) / (2 * area) - z * z / 2)
            mass += value
            ends = ra * p + rb * q
            for name, y in zip(VARIABLES, (ends + rg * z, ends, p, q, z), strict=True):
                moments[name] += y * value
    unit = step * step / ((2 * a.pi()) * a.sqrt(area) * a.sqrt(2 * a.pi()) * gamma)
    return mass * unit, {name: value * unit for name, value in moments.items()}


def _nodes(centre: Any, deviation: Any, step: Any) -> list[Any]:
    count = int(_REACH * deviation / step) + 1
    return [centre + n * step for n in range(-count, count + 1)]
