"""Isotropic, diagonal and full covariances of many components at once, each with its own fast path.

Storage (any leading axes `...`): isotropic (..., K), diagonal (..., K, D), full (..., K, D, D). A factor
is built over blocks with leading axes (B, K): B times, K components; points sit as (B, K, P, D).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from array_api_compat import array_namespace

from analytic.arrays import Array
from analytic.errors import FieldUndefinedError
from analytic.triangular import forward_substitution

KINDS = ("isotropic", "diagonal", "full")


class Factor(Protocol):
    """A covariance C made ready to be solved with."""

    @property
    def logdet(self) -> Array:
        """log det C, (B, K)."""

    def solve(self, delta: Array) -> tuple[Array, Array]:
        """(delta^T C^-1 delta (B, K, P), C^-1 delta (B, K, P, D)) for delta (B, K, P, D)."""
        ...

    def ratio(self, matrix: Array) -> Array:
        """matrix C^-1 in the storage of this kind."""
        ...

    def trace(self, matrix: Array) -> Array:
        """Trace (B, K) of a matrix in the storage of this kind."""
        ...


def kind_of(covariance: Array) -> str:
    """The kind told by the number of dimensions of a (K,), (K, D) or (K, D, D) covariance."""
    return KINDS[covariance.ndim - 1]


def widest(*kinds: str) -> str:
    """The narrowest storage that holds all the kinds."""
    return KINDS[max(KINDS.index(kind) for kind in kinds)]


def promote(covariance: Array, kind: str, dim: int) -> Array:
    """A (K,), (K, D) or (K, D, D) covariance in the storage of `kind`, which must be as wide or wider."""
    xp = array_namespace(covariance)
    have = kind_of(covariance)
    if KINDS.index(have) > KINDS.index(kind):
        raise ValueError(f"covariance: cannot store a {have} covariance as {kind}")
    if have == "isotropic" and kind != "isotropic":
        covariance, have = xp.broadcast_to(covariance[:, None], (covariance.shape[0], dim)), "diagonal"
    if have == "diagonal" and kind == "full":
        covariance = covariance[:, :, None] * xp.eye(dim, dtype=xp.float64)[None, :, :]
    return covariance


def transpose(matrix: Array, kind: str) -> Array:
    """The transpose in the storage of `kind`."""
    return array_namespace(matrix).matrix_transpose(matrix) if kind == "full" else matrix


def add_identity(matrix: Array, amount: Array, kind: str, like_eye: Array | None) -> Array:
    """matrix + amount I, with amount broadcastable to the storage; `like_eye` (D, D) for full ones."""
    return matrix + (amount * like_eye if kind == "full" else amount)


def apply(matrix: Array, vectors: Array, kind: str) -> Array:
    """matrix (B, K[, D[, D]]) times vectors (B, K, P, D)."""
    if kind == "isotropic":
        return matrix[:, :, None, None] * vectors
    if kind == "diagonal":
        return matrix[:, :, None, :] * vectors
    xp = array_namespace(vectors)
    return xp.matmul(vectors, xp.matrix_transpose(matrix))


def factorise(covariance: Array, kind: str, dim: int, what: str) -> Factor:
    """The factor of a (B, K[, D[, D]]) covariance; FieldUndefinedError where one is singular.

    `what` opens the error message, for example "component covariance at t = 1".
    """
    if kind == "isotropic":
        return IsotropicFactor(_positive(covariance, what), dim)
    if kind == "diagonal":
        return DiagonalFactor(_positive(covariance, what))
    return FullFactor(cholesky(covariance, what))


def _positive(variance: Array, what: str) -> Array:
    if not bool(array_namespace(variance).all(variance > 0.0)):
        raise FieldUndefinedError(
            f"{what} is singular (a variance is zero): the law has a point mass there and neither "
            "density, score nor velocity exists"
        )
    return variance


def cholesky(covariance: Array, what: str) -> Array:
    """Lower Cholesky factor of (..., D, D); FieldUndefinedError where one is singular to rounding.

    A pivot is what is left of its diagonal entry after elimination, which rounding leaves uncertain by
    about D eps of that entry; below that it is not told from zero. The test is invariant under scaling of
    the coordinates.
    """
    xp = array_namespace(covariance)
    dim = covariance.shape[-1]
    try:
        lower = xp.linalg.cholesky(covariance)
        pivots, diagonal = xp.linalg.diagonal(lower) ** 2, xp.linalg.diagonal(covariance)
        regular = bool(xp.all(pivots > dim * xp.finfo(xp.float64).eps * diagonal))
    except (ValueError, RuntimeError):  # NumPy's and torch's LinAlgError
        regular = False
    if not regular:
        raise FieldUndefinedError(
            f"{what} is singular to float64 rounding: the law lies on a subspace there and neither "
            "density, score nor velocity exists"
        )
    return lower


@dataclass(frozen=True, eq=False)
class IsotropicFactor:
    """C = variance I, variance (B, K)."""

    variance: Array
    dim: int

    @property
    def logdet(self) -> Array:
        return self.dim * array_namespace(self.variance).log(self.variance)

    def solve(self, delta: Array) -> tuple[Array, Array]:
        xp = array_namespace(delta)
        square = xp.sum(delta * delta, axis=-1)
        return square / self.variance[:, :, None], delta / self.variance[:, :, None, None]

    def ratio(self, matrix: Array) -> Array:
        return matrix / self.variance

    def trace(self, matrix: Array) -> Array:
        return self.dim * matrix


@dataclass(frozen=True, eq=False)
class DiagonalFactor:
    """C = diag(variance), variance (B, K, D)."""

    variance: Array

    @property
    def logdet(self) -> Array:
        xp = array_namespace(self.variance)
        return xp.sum(xp.log(self.variance), axis=-1)

    def solve(self, delta: Array) -> tuple[Array, Array]:
        scaled = delta / self.variance[:, :, None, :]
        return array_namespace(delta).sum(delta * scaled, axis=-1), scaled

    def ratio(self, matrix: Array) -> Array:
        return matrix / self.variance

    def trace(self, matrix: Array) -> Array:
        return array_namespace(matrix).sum(matrix, axis=-1)


@dataclass(frozen=True, eq=False)
class FullFactor:
    """C = L L^T, lower (B, K, D, D)."""

    lower: Array

    @property
    def logdet(self) -> Array:
        xp = array_namespace(self.lower)
        return 2.0 * xp.sum(xp.log(xp.linalg.diagonal(self.lower)), axis=-1)

    def solve(self, delta: Array) -> tuple[Array, Array]:
        xp = array_namespace(delta)
        half = forward_substitution(self.lower, delta)
        # L^T read backwards in both axes is lower triangular: one substitution serves both halves.
        upper = xp.flip(xp.matrix_transpose(self.lower), axis=(-2, -1))
        whole = xp.flip(forward_substitution(upper, xp.flip(half, axis=-1)), axis=-1)
        return xp.sum(half * half, axis=-1), whole

    def ratio(self, matrix: Array) -> Array:
        # C is symmetric, so the rows of M C^-1 are C^-1 applied to the rows of M.
        return self.solve(matrix)[1]

    def trace(self, matrix: Array) -> Array:
        xp = array_namespace(matrix)
        return xp.sum(xp.linalg.diagonal(matrix), axis=-1)


def symmetric_root(matrix: Any) -> Any:
    """S with S S^T = matrix for symmetric PSD (..., D, D); negative rounding of eigenvalues is cut at 0."""
    xp = array_namespace(matrix)
    values, vectors = xp.linalg.eigh(matrix)
    return vectors * xp.sqrt(xp.where(values > 0.0, values, xp.zeros_like(values)))[..., None, :]
