"""Cases for the accuracy claim: a small specification, and the interpolant, time and point that it names."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from analytic.oracle import JointMixture, Path

COUPLINGS = (
    "independent", "correlated", "mirror", "entropic", "dataset", "one_sided", "one_sided_dataset",
)  # fmt: skip


@dataclass(frozen=True)
class CaseSpec:
    """Everything that decides a case; all its numbers together seed means, axes, weights and the direction of x.

    log_* are powers of ten: condition of the covariances, their largest eigenvalue (log_scale is of its root),
    smallest weight, and the spread of the means in units of that root. radius: standard deviations from a mean.
    """

    coupling: str
    path: str
    latent: str
    latent_scale: float
    kind: str
    dim: int
    n_components: int
    log_condition: int
    log_scale: int
    log_weight: int
    log_separation: int
    t: float
    radius: float
    seed: int
    dtype: str = "float64"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Case:
    """One point of one interpolant, for the code under test and for the oracle."""

    spec: CaseSpec
    interpolant: Interpolant
    mixture: JointMixture
    path: Path
    x: np.ndarray  # (D,), of spec.dtype

    @property
    def tied(self) -> bool:
        """x0 = x1: the two ends share their floats."""
        return self.spec.coupling == "mirror"


def build(spec: CaseSpec) -> Case:
    """The case that `spec` names; the oracle reads the very floats that the coupling stores."""
    # Every number of the spec goes in: Hypothesis likes to change one and keep the rest, seed included.
    rng = np.random.default_rng([spec.seed, spec.dim, spec.n_components, *_unsigned(spec)])
    coupling = _COUPLE[spec.coupling](spec, rng)
    mixture = JointMixture.of(coupling)
    path = Path(spec.path, spec.latent, spec.latent_scale)
    return Case(spec, Interpolant(coupling, schedule(spec)), mixture, path, _point(spec, rng, mixture, path))


def _unsigned(spec: CaseSpec) -> tuple[int, ...]:
    powers = (spec.log_condition, spec.log_scale, spec.log_weight, spec.log_separation)
    return (*(p + 100 for p in powers), int(spec.t * 2**52), int(spec.radius * 2**40))


def schedule(spec: CaseSpec) -> Schedule:
    """The schedule by its public constructor."""
    make = getattr(Schedule, spec.path)
    if spec.path in ("linear", "trigonometric", "mirror"):
        return make(spec.latent, scale=spec.latent_scale)
    return make()


def _eigenvalues(spec: CaseSpec, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Log-uniform over the condition number, which is reached; isotropic ones spread over the components."""
    powers = rng.uniform(-spec.log_condition, 0.0, size=shape)
    if shape[-1] > 1:
        powers[..., 0], powers[..., -1] = -spec.log_condition, 0.0
    return 10.0 ** (powers + 2 * spec.log_scale)


def _covariances(spec: CaseSpec, rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    if spec.kind == "isotropic":
        return _eigenvalues(spec, rng, (n,))
    values = _eigenvalues(spec, rng, (n, dim))
    if spec.kind == "diagonal":
        return rng.permuted(values, axis=1)
    axes = np.linalg.qr(rng.standard_normal((n, dim, dim)))[0]
    return _symmetric((axes * values[:, None, :]) @ np.swapaxes(axes, 1, 2))


def _symmetric(matrices: np.ndarray) -> np.ndarray:
    return 0.5 * (matrices + np.swapaxes(matrices, 1, 2))


def _weights(spec: CaseSpec, rng: np.random.Generator, n: int) -> np.ndarray:
    powers = rng.uniform(spec.log_weight, 0.0, size=n)
    powers[rng.integers(n)] = spec.log_weight
    powers[rng.integers(n)] = 0.0
    weights = 10.0**powers
    return weights / weights.sum()


def _means(spec: CaseSpec, rng: np.random.Generator, n: int) -> np.ndarray:
    return 10.0 ** (spec.log_scale + spec.log_separation) * rng.standard_normal((n, spec.dim))


def _mixture(spec: CaseSpec, rng: np.random.Generator, n: int) -> GaussianMixture:
    return GaussianMixture(_weights(spec, rng, n), _means(spec, rng, n), _covariances(spec, rng, n, spec.dim))


def _standard(spec: CaseSpec) -> GaussianMixture:
    eye = {"isotropic": np.ones(1), "diagonal": np.ones((1, spec.dim)), "full": np.eye(spec.dim)[None]}
    return GaussianMixture(np.ones(1), np.zeros((1, spec.dim)), eye[spec.kind])


def _independent(spec: CaseSpec, rng: np.random.Generator) -> Coupling:
    n0 = 2 if spec.n_components % 2 == 0 and rng.random() < 0.5 else 1
    return Coupling.independent(_mixture(spec, rng, n0), _mixture(spec, rng, spec.n_components // n0))


def _correlated(spec: CaseSpec, rng: np.random.Generator) -> Coupling:
    """A random positive definite joint covariance, its C01 block not symmetric in full storage."""
    n, dim = spec.n_components, spec.dim
    if spec.kind == "full":
        joint = _covariances(spec, rng, n, 2 * dim)
        c00, c11, c01 = joint[:, :dim, :dim], joint[:, dim:, dim:], joint[:, :dim, dim:]
    else:
        c00, c11 = _covariances(spec, rng, n, dim), _covariances(spec, rng, n, dim)
        correlation = np.sign(rng.standard_normal(c00.shape)) * (1.0 - 10.0 ** rng.uniform(-6.0, 0.0, c00.shape))
        c01 = correlation * np.sqrt(c00 * c11)
    return Coupling.correlated(_weights(spec, rng, n), _means(spec, rng, n), _means(spec, rng, n), c00, c11, c01)


def _entropic(spec: CaseSpec, rng: np.random.Generator) -> Coupling:
    sigma = float(np.sqrt(spec.latent_scale))
    return Coupling.entropic(_mixture(spec, rng, 1), _mixture(spec, rng, 1), sigma)


_COUPLE = {
    "independent": _independent,
    "correlated": _correlated,
    "mirror": lambda spec, rng: Coupling.mirror(_mixture(spec, rng, spec.n_components)),
    "entropic": _entropic,
    "dataset": lambda spec, rng: Coupling.dataset(_mixture(spec, rng, 1), _means(spec, rng, spec.n_components)),
    "one_sided": lambda spec, rng: Coupling.independent(_standard(spec), _mixture(spec, rng, spec.n_components)),
    "one_sided_dataset": lambda spec, rng: Coupling.dataset(_standard(spec), _means(spec, rng, spec.n_components)),
}


def _point(spec: CaseSpec, rng: np.random.Generator, mixture: JointMixture, path: Path) -> np.ndarray:
    """`radius` standard deviations of x_t from the mean of a random component, whatever its weight.

    A third of the directions are the component's shortest axis, where cancellation is worst. The point need not
    be accurate, only near: the oracle is asked at the float that comes out.
    """
    k = int(rng.integers(mixture.n_components))
    alpha, beta, gamma = (float(v) for v in path.at(_FLOATS, spec.t))
    mean = alpha * mixture.mean0[k] + beta * mixture.mean1[k]
    blocks = [np.asarray(b[k]) for b in (mixture.cov00, mixture.cov11, mixture.cov01)]
    c00, c11, c01 = (b if b.ndim == 2 else np.diag(np.broadcast_to(b, (spec.dim,))) for b in blocks)
    covariance = alpha**2 * c00 + beta**2 * c11 + alpha * beta * (c01 + c01.T) + gamma**2 * np.eye(spec.dim)
    values, axes = np.linalg.eigh(covariance)
    direction = rng.standard_normal(spec.dim)
    if rng.random() < 1 / 3:
        direction[1:] = 0.0
    direction /= np.linalg.norm(direction)
    step = axes @ (np.sqrt(np.maximum(values, 0.0)) * direction)
    return (mean + spec.radius * step).astype(spec.dtype)


class _Floats:
    """float64 in place of the oracle's numbers: good enough to place a point."""

    digits = 16
    number, exp, log, sqrt, sin, cos = float, np.exp, np.log, np.sqrt, np.sin, np.cos

    @staticmethod
    def pi() -> float:
        return float(np.pi)


_FLOATS: Any = _Floats()
