"""The joint Gaussian law of (x0, x1, z) and its image under a linear map, by elimination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analytic.oracle.arithmetic import Arithmetic

KINDS = ("isotropic", "diagonal", "full")


class SingularLawError(ValueError):
    """The law of x_t has no density: a component's covariance is not positive definite."""


@dataclass(frozen=True)
class JointMixture:
    """Joint mixture of (x0, x1): weights (K,), means (K, D), blocks (K,), (K, D) or (K, D, D) by `kind`.

    The floats are taken as exact numbers; weights are used as they are, without normalising.
    """

    weights: Any
    mean0: Any
    mean1: Any
    cov00: Any
    cov11: Any
    cov01: Any
    kind: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: expected one of {KINDS}, got {self.kind!r}")
        for name in ("weights", "mean0", "mean1", "cov00", "cov11", "cov01"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))

    @classmethod
    def of(cls, coupling: Any) -> JointMixture:
        """Of anything with the attributes of `analytic.Coupling`, read as stored."""
        c = coupling
        return cls(c.weights, c.mean0, c.mean1, c.cov00, c.cov11, c.cov01, c.kind)

    @property
    def dim(self) -> int:
        return int(self.mean0.shape[1])

    @property
    def n_components(self) -> int:
        return int(self.weights.shape[0])


@dataclass(frozen=True)
class Blocks:
    """The covariance of (x0, x1, z) in one component, as blocks S_pq; entry (i, j) of a block by `entry`."""

    c00: Any
    c01: Any
    c11: Any
    full: bool
    dim: int
    _images: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, a: Arithmetic, mixture: JointMixture, k: int) -> Blocks:
        def read(block: np.ndarray) -> Any:
            value = block[k]
            if mixture.kind == "full":
                return [[a.number(float(v)) for v in row] for row in value]
            return [a.number(float(v)) for v in np.broadcast_to(value, (mixture.dim,))]

        return cls(read(mixture.cov00), read(mixture.cov01), read(mixture.cov11), mixture.kind == "full", mixture.dim)

    def map_covariance(self, left: Sequence[Any]) -> list[list[Any]] | list[Any]:
        """Upper rows of Cov(Lx) for L = [l0 I, l1 I, lz I]: Σ_pq l_p l_q S_pq (diagonal blocks: the diagonal)."""
        l0, l1, lz = left
        w00, w01, w11, wzz = l0 * l0, l0 * l1, l1 * l1, lz * lz
        if not self.full:
            return [
                w00 * p + w01 * q + w01 * q + w11 * r + wzz
                for p, q, r in zip(self.c00, self.c01, self.c11, strict=True)
            ]
        rows = []
        for i in range(self.dim):
            row = [
                w00 * self.c00[i][j] + w01 * self.c01[i][j] + w01 * self.c01[j][i] + w11 * self.c11[i][j]
                for j in range(i, self.dim)
            ]
            row[0] += wzz
            rows.append(row)
        return rows

    def map_cross(self, left: Sequence[Any], right: Sequence[Any], u: Sequence[Any], name: Any) -> list[Any]:
        """Cov(Lx, uᵀRx) = Σ_pq l_p r_q S_pq u, a vector; `name` is of u, whose four S_pq u are kept."""
        (l0, l1, lz), (r0, r1, rz) = left, right
        if name not in self._images:
            self._images[name] = tuple(
                self._times(block, u, turned)
                for block, turned in ((self.c00, False), (self.c01, False), (self.c01, True), (self.c11, False))
            )
        weights = (l0 * r0, l0 * r1, l1 * r0, l1 * r1, lz * rz)
        out = [weights[4] * c for c in u]
        for weight, image in zip(weights, self._images[name], strict=False):
            if weight:
                out = [p + weight * q for p, q in zip(out, image, strict=True)]
        return out

    def _times(self, block: Any, u: Sequence[Any], turned: bool) -> list[Any]:
        if not self.full:
            return [p * c for p, c in zip(block, u, strict=True)]
        support = [(j, c) for j, c in enumerate(u) if c]
        if turned:
            columns = [(block[j], c) for j, c in support]
            return [sum((c * column[i] for column, c in columns), 0 * u[0]) for i in range(self.dim)]
        return [sum((c * row[j] for j, c in support), 0 * u[0]) for row in block]


@dataclass
class Eliminated:
    """A covariance after Gaussian elimination; gives its determinant and aᵀC⁻¹b for named vectors."""

    pivots: list[Any]
    rows: list[list[Any]] | None  # row i of the reduced matrix from the diagonal on, already divided by its pivot
    _reduced: dict[Any, list[Any]] = field(default_factory=dict)
    _products: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, covariance: Any, full: bool) -> Eliminated:
        rows = [list(row) for row in covariance] if full else None
        pivots = [] if full else list(covariance)
        for i, row in enumerate(rows or ()):
            pivots.append(row[0])
            if not row[0] > 0:
                break
            scaled = [value / row[0] for value in row]
            for r in range(i + 1, len(covariance)):
                factor = row[r - i]
                if factor:
                    rows[r] = [p - factor * q for p, q in zip(rows[r], scaled[r - i :], strict=True)]  # type: ignore[index]
            rows[i] = scaled  # type: ignore[index]
        if not all(p > 0 for p in pivots):
            raise SingularLawError("the law of x_t has no density here: a covariance is not positive definite")
        return cls(pivots, rows)

    def determinant(self) -> Any:
        out = self.pivots[0]
        for pivot in self.pivots[1:]:
            out = out * pivot
        return out

    def add(self, name: Any, vector: Sequence[Any]) -> None:
        """Reduces `vector` along with the matrix, so that `product(name, …)` can be asked for."""
        if name in self._reduced:
            return
        y = list(vector)
        if self.rows is not None:
            for i, row in enumerate(self.rows):
                head = y[i]
                if head:
                    y[i + 1 :] = [p - head * q for p, q in zip(y[i + 1 :], row[1:], strict=True)]
        self._reduced[name] = y

    def product(self, left: Any, right: Any) -> Any:
        """leftᵀ C⁻¹ right."""
        key = (left, right)
        if key not in self._products:
            pairs = zip(self._reduced[left], self._reduced[right], self.pivots, strict=True)
            value = sum((p * q / d for p, q, d in pairs if p and q), 0 * self.pivots[0])
            self._products[key] = self._products[right, left] = value
        return self._products[key]
