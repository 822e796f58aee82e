"""Small interpolants of every coupling, storage and schedule, and the rounding band their fields are held to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from analytic.covariance import promote

EPS = float(np.finfo(np.float64).eps)
KINDS = ("isotropic", "diagonal", "full")
TWO_SIDED = {
    "linear": lambda: Schedule.linear(),
    "linear-quadratic": lambda: Schedule.linear("quadratic", 2.0),
    "linear-none": lambda: Schedule.linear("none"),
    "trigonometric": lambda: Schedule.trigonometric("sine_squared"),
    "trigonometric-brownian": lambda: Schedule.trigonometric("brownian", 0.5),
    "encoding_decoding": Schedule.encoding_decoding,
}
ONE_SIDED = {
    "one_sided_linear": Schedule.one_sided_linear,
    "one_sided_trigonometric": Schedule.one_sided_trigonometric,
    "variance_preserving": Schedule.variance_preserving,
}
SCHEDULES = TWO_SIDED | ONE_SIDED | {"mirror": lambda: Schedule.mirror("brownian", 0.7)}
COUPLINGS = {
    "independent": tuple(TWO_SIDED),
    "correlated": tuple(TWO_SIDED),
    "entropic": ("linear",),
    "mirror": ("mirror", "linear", "trigonometric"),
    "dataset": ("linear", *ONE_SIDED),
    "one_sided": tuple(ONE_SIDED),
}


def covariances(rng: np.random.Generator, kind: str, n: int, dim: int) -> np.ndarray:
    """n covariances of the kind with eigenvalues in [0.2, 2]."""
    values = rng.uniform(0.2, 2.0, (n, dim))
    if kind == "isotropic":
        return values[:, 0]
    if kind == "diagonal":
        return values
    axes = np.linalg.qr(rng.normal(size=(n, dim, dim)))[0]
    full = (axes * values[:, None, :]) @ np.swapaxes(axes, 1, 2)
    return (full + np.swapaxes(full, 1, 2)) / 2


def mixture(rng: np.random.Generator, kind: str, n: int, dim: int) -> GaussianMixture:
    """A mixture of n components with means of order one."""
    return GaussianMixture(rng.dirichlet(np.ones(n)), rng.normal(size=(n, dim)), covariances(rng, kind, n, dim))


def standard(dim: int) -> GaussianMixture:
    """N(0, I)."""
    return GaussianMixture([1.0], np.zeros((1, dim)), [1.0])


def correlated(rng: np.random.Generator, kind: str, n: int, dim: int) -> Coupling:
    """A coupling whose C01 is not symmetric (full), or has both signs."""
    c00, c11 = covariances(rng, kind, n, dim), covariances(rng, kind, n, dim)
    if kind == "full":
        turn = np.linalg.qr(rng.normal(size=(n, dim, dim)))[0]
        c01 = 0.8 * np.linalg.cholesky(c00) @ turn @ np.swapaxes(np.linalg.cholesky(c11), 1, 2)
    else:
        c01 = np.sqrt(c00 * c11) * rng.uniform(-0.8, 0.8, c00.shape)
    means = rng.normal(size=(2, n, dim))
    return Coupling.correlated(rng.dirichlet(np.ones(n)), means[0], means[1], c00, c11, c01)


def coupling(name: str, rng: np.random.Generator, kind: str, n: int, dim: int) -> Coupling:
    """The named coupling with about n components."""
    if name == "correlated":
        return correlated(rng, kind, n, dim)
    if name == "entropic":
        return Coupling.entropic(mixture(rng, kind, 1, dim), mixture(rng, kind, 1, dim), 1.0)
    if name == "mirror":
        return Coupling.mirror(mixture(rng, kind, n, dim))
    if name == "dataset":
        return Coupling.dataset(standard(dim), rng.normal(size=(n, dim)))
    if name == "one_sided":
        return Coupling.independent(standard(dim), mixture(rng, kind, n, dim))
    return Coupling.independent(mixture(rng, kind, 2, dim), mixture(rng, kind, n, dim))


@dataclass(frozen=True)
class Case:
    """An interpolant with a time and points, and what rounding may do to its fields."""

    label: str
    interpolant: Interpolant
    t: float
    x: np.ndarray

    def band(self, *terms: np.ndarray) -> float:
        """64 D eps cond |terms|: sums of D products, solved with the worst-conditioned C_k, logits to |x|^2 / C.

        The last factor is the size of the log terms, whose rounding moves the responsibilities.
        """
        law, dim = self.interpolant.marginal(self.t), self.interpolant.dim
        full = promote(law.covariances, "full", dim)
        values = np.linalg.eigvalsh(full)
        reach = np.max(np.sum((self.x[:, None, :] - law.means) ** 2, axis=-1) / values[None, :, 0])
        size = max(float(np.max(np.abs(term))) for term in terms)
        return 64 * dim * EPS * float(np.max(values[:, -1] / values[:, 0])) * (1 + float(reach)) * size


def case(name: str, schedule: str, kind: str, n: int, dim: int, t: float, seed: int, n_points: int = 5) -> Case:
    """The named case; points are spread about the marginal law."""
    rng = np.random.default_rng(seed)
    interpolant = Interpolant(coupling(name, rng, kind, n, dim), SCHEDULES[schedule]())
    x = interpolant.sample(t, n_points, rng) * rng.uniform(0.5, 2.0)
    return Case(f"{name}/{schedule}/{kind} n={n} D={dim} t={t!r} seed={seed}", interpolant, t, x)


ALL = [(name, schedule) for name, schedules in COUPLINGS.items() for schedule in schedules]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Every coupling and schedule, K to 5, D to 4, t in [0.01, 0.99]."""
    name, schedule = draw(st.sampled_from(ALL))
    return case(
        name,
        schedule,
        draw(st.sampled_from(KINDS)),
        draw(st.integers(1, 5)),
        draw(st.integers(1, 4)),
        draw(st.floats(0.01, 0.99)),
        draw(st.integers(0, 2**32 - 1)),
    )
