"""Couplings of (x0, x1): one joint Gaussian mixture for every case."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from analytic.arrays import Array, as_parameter, to_numpy, transfer
from analytic.covariance import kind_of, promote, widest
from analytic.mixture import GaussianMixture
from analytic.sampling import Seed, draw_coupling
from analytic.validation import check_covariance, check_joint, check_weights

NAMES = ("weights", "mean0", "mean1", "cov00", "cov11", "cov01")


@dataclass(frozen=True, eq=False)
class Coupling:
    """sum_k w_k N((m0, m1), [[C00, C01], [C10, C11]]), the law of (x0, x1).

    weights (K,), mean0 and mean1 (K, D); cov00, cov11, cov01 each (K,), (K, D) or (K, D, D), promoted to
    the widest of the three forms (`kind`). C01 = Cov(x0, x1) need not be symmetric. The joint covariance
    must be positive semi-definite. float64, in the library of `mean0`. Errors name the argument.
    """

    weights: Array
    mean0: Array
    mean1: Array
    cov00: Array
    cov11: Array
    cov01: Array
    tied: bool = field(default=False, kw_only=True)
    """x0 = x1 with probability one."""

    def __post_init__(self) -> None:
        given = {name: as_parameter(getattr(self, name), name) for name in NAMES}
        mean0 = as_parameter(given["mean0"], "mean0", 2)
        k, dim = mean0.shape
        expected = {"weights": (k,), "mean1": (k, dim)}
        for name, shape in expected.items():
            if tuple(given[name].shape) != shape:
                raise ValueError(f"{name}: expected shape {shape} as mean0 has, got {tuple(given[name].shape)}")
        if dim == 0:
            raise ValueError("mean0: expected shape (K, D) with D >= 1, got D = 0")
        check_weights(given["weights"])
        check_covariance(given["cov00"], k, dim, "cov00")
        check_covariance(given["cov11"], k, dim, "cov11")
        allowed = [(k,), (k, dim), (k, dim, dim)]
        if tuple(given["cov01"].shape) not in allowed:
            raise ValueError(f"cov01: expected one of the shapes {allowed}, got {tuple(given['cov01'].shape)}")
        kind = widest(*(kind_of(given[name]) for name in NAMES[3:]))
        for name in NAMES:
            value = transfer(given[name], mean0)
            object.__setattr__(self, name, promote(value, kind, dim) if name in NAMES[3:] else value)
        if not self.uncorrelated and not self.tied:
            check_joint(self.cov00, self.cov11, self.cov01, dim)

    @property
    def dim(self) -> int:
        """D."""
        return self.mean0.shape[1]

    @property
    def n_components(self) -> int:
        """K."""
        return self.weights.shape[0]

    @property
    def kind(self) -> str:
        """ "isotropic", "diagonal" or "full": the storage of the three covariance blocks."""
        return kind_of(self.cov00)

    @property
    def uncorrelated(self) -> bool:
        """Whether C01 = 0 in every component."""
        return not np.any(to_numpy(self.cov01))

    @property
    def base(self) -> GaussianMixture:
        """The law of x0 (one component for each of the joint law)."""
        return GaussianMixture(self.weights, self.mean0, self.cov00)

    @property
    def target(self) -> GaussianMixture:
        """The law of x1 (one component for each of the joint law)."""
        return GaussianMixture(self.weights, self.mean1, self.cov11)

    def sample(self, n: int, seed: Seed) -> tuple[Array, Array]:
        """n joint draws (x0, x1), each (n, D), float64, in the library of the parameters."""
        w, m0, m1, c00, c11, c01 = (to_numpy(getattr(self, name)) for name in NAMES)
        x0, x1 = draw_coupling(w, (m0, m1), (c00, c11, c01), n, np.random.default_rng(seed))
        return transfer(x0, self.mean0), transfer(x0 if self.tied else x1, self.mean0)

    @classmethod
    def independent(cls, base: GaussianMixture, target: GaussianMixture) -> Coupling:
        """rho0 x rho1: components (i, j) in row-major order, weights p_i q_j, C01 = 0."""
        _same_dim(base, target)
        kind = widest(base.kind, target.kind)
        xp = array_namespace(base.means)
        left = xp.repeat(xp.arange(base.n_components), target.n_components)
        right = xp.tile(xp.arange(target.n_components), (base.n_components,))
        p, m0, c0 = (xp.take(transfer(a, base.means), left, axis=0) for a in _arrays(base, kind))
        q, m1, c1 = (xp.take(transfer(a, base.means), right, axis=0) for a in _arrays(target, kind))
        return cls(p * q, m0, m1, c0, c1, xp.zeros_like(c0))

    @classmethod
    def correlated(cls, weights: Any, mean0: Any, mean1: Any, cov00: Any, cov11: Any, cov01: Any) -> Coupling:
        """The joint mixture given by its blocks; C01 may be any matrix that keeps the joint law PSD."""
        return cls(weights, mean0, mean1, cov00, cov11, cov01)

    @classmethod
    def mirror(cls, law: GaussianMixture) -> Coupling:
        """x0 = x1 ~ law: m0 = m1, C00 = C11 = C01 (arXiv:2303.08797, mirror interpolants)."""
        c = law.covariances
        return cls(law.weights, law.means, law.means, c, c, c, tied=True)

    @classmethod
    def dataset(cls, base: GaussianMixture, points: Any) -> Coupling:
        """base x (the empirical law of points (n, D)): a point mass per sample, C11 = 0."""
        atoms = as_parameter(points, "points", 2)
        if tuple(atoms.shape[1:]) != (base.dim,) or atoms.shape[0] == 0:
            raise ValueError(f"points: expected shape (n, {base.dim}) with n >= 1, got {tuple(atoms.shape)}")
        xp = array_namespace(atoms)
        n = atoms.shape[0]
        return cls.independent(base, GaussianMixture(xp.ones_like(atoms[:, 0]) / n, atoms, xp.zeros_like(atoms[:, 0])))

    @classmethod
    def entropic(cls, base: GaussianMixture, target: GaussianMixture, sigma: float) -> Coupling:
        """The Schroedinger coupling of N(a, A) and N(b, B) for reference noise sigma dW.

        C01 = (A^1/2 D A^-1/2 - sigma^2 I) / 2 with D = (4 A^1/2 B A^1/2 + sigma^4 I)^1/2, computed without
        inverse, cancellation or squared spectrum. Its path is `Schedule.linear("brownian", scale=sigma**2)`.
        sigma = 0 is optimal transport. ValueError for a mixture of more than one component.
        """
        _same_dim(base, target)
        for name, law in (("base", base), ("target", target)):
            if law.n_components != 1:
                raise ValueError(f"{name}: the entropic coupling needs one Gaussian, got {law.n_components} components")
        if not (isinstance(sigma, (int, float)) and np.isfinite(sigma) and sigma >= 0):
            raise ValueError(f"sigma: expected a finite number >= 0, got {sigma!r}")
        kind = widest(base.kind, target.kind)
        (w, a, cov0), (_, b, cov1) = _arrays(base, kind), _arrays(target, kind)
        cov1 = transfer(cov1, a)
        cross = _entropic_cross(array_namespace(a), cov0, cov1, float(sigma), kind)
        return cls(w, a, transfer(b, a), cov0, cov1, cross)


def _arrays(law: GaussianMixture, kind: str) -> tuple[Array, Array, Array]:
    return law.weights, law.means, promote(law.covariances, kind, law.dim)


def _same_dim(base: GaussianMixture, target: GaussianMixture) -> None:
    for name, law in (("base", base), ("target", target)):
        if not isinstance(law, GaussianMixture):
            raise TypeError(f"{name}: expected a GaussianMixture, got {type(law).__name__}")
    if base.dim != target.dim:
        raise ValueError(f"target: expected dim {base.dim} as base has, got {target.dim}")


def _entropic_cross(xp: Any, cov0: Array, cov1: Array, sigma: float, kind: str) -> Array:
    """C01 from factors A = L L^T, B = R R^T and L^T R = U S V^T as L U g(S) V^T R^T.

    g(s) = 2 s / (sqrt(4 s^2 + sigma^4) + sigma^2) <= 1: the joint law stays positive semi-definite under rounding, and
    the spectrum is never squared.
    """

    def share(s: Array) -> Array:
        below = xp.sqrt(4.0 * s**2 + sigma**4) + sigma**2
        some = below > 0.0
        return xp.where(some, 2.0 * s / xp.where(some, below, xp.ones_like(below)), xp.zeros_like(below))

    if kind != "full":
        root = xp.sqrt(cov0) * xp.sqrt(cov1)
        return share(root) * root
    left, right = (_factor(xp, cov) for cov in (cov0, cov1))
    u, s, vh = xp.linalg.svd(xp.matmul(xp.matrix_transpose(left), right), full_matrices=False)
    inner = xp.matmul(u * share(s)[..., None, :], vh)
    return xp.matmul(xp.matmul(left, inner), xp.matrix_transpose(right))


def _factor(xp: Any, cov: Array) -> Array:
    """L with L L^T = cov, for a singular one too."""
    values, vectors = xp.linalg.eigh(cov)
    return vectors * xp.sqrt(xp.where(values > 0.0, values, xp.zeros_like(values)))[..., None, :]
