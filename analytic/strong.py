"""Strong solutions of affine SDEs: the exact X on a grid, coupled to the Brownian increments a solver is given.

    X_{i+1} = Phi X_i + ∫ Phi a du + xi_i,    xi_i = ∫_{t_i}^{t_{i+1}} Phi(t_{i+1}, u) G(u) dW_u

xi_i is jointly Gaussian with the increment ΔW_i = ∫ dW and the space-time area Z_i = ∫ (W_u − W_{t_i}) du. With
l0, l1 the normalised Legendre polynomials on the step, ΔW and Z are linear in the independent normals ∫ l0 dW and
∫ l1 dW, so xi given both has mean K0 ∫l0 dW + K1 ∫l1 dW, K_j = ∫ Phi G l_j du, and a covariance that is the
integral of a square, free of cancellation. Nothing is approximated but quadratures, to rounding.
Source: Kloeden & Platen, Numerical Solution of SDEs, sections 4.8 and 5.8 (linear SDEs, multiple integrals).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytic.affine import AffineSDE, Array, StepLaws, by_step, step_laws
from analytic.gaussian import Gaussian, factor


@dataclass(frozen=True, eq=False)
class StrongPaths:
    """Joint draws: what a solver sees (times, increments, areas) and the exact answer (states).

    times (N + 1,); increments ΔW (n, N, M); areas ∫(W_u − W_{t_i})|du| (n, N, M); states (n, N + 1, D),
    states[:, 0] the starting points. On a falling grid increments run in the order of the grid.
    """

    times: Array
    increments: Array
    areas: Array
    states: Array

    def coarse(self, every: int) -> StrongPaths:
        """The same paths on every `every`-th grid time: increments add, areas add with W carried over."""
        count = self.times.size - 1
        if every < 1 or count % every:
            raise ValueError(f"every: expected a divisor of the {count} steps, got {every}")
        n, _, sources = self.increments.shape
        shape = (n, count // every, every, sources)
        dw, z = self.increments.reshape(shape), self.areas.reshape(shape)
        h = np.abs(np.diff(self.times)).reshape(1, -1, every, 1)
        before = np.cumsum(dw, axis=2) - dw
        return StrongPaths(self.times[::every], dw.sum(axis=2), (z + h * before).sum(axis=2), self.states[:, ::every])


@dataclass(frozen=True, eq=False)
class StrongSolution:
    """The strong solution of an `AffineSDE` on a grid (build it with `StrongSolution.on`).

    laws: transitions; gain0, gain1 (N, D, M): K_0, K_1; rest0, rest01 (N, D, D): factors L L^T of Cov(xi | ΔW)
    and of Cov(xi | ΔW, Z). The first falls like h³, the second like h⁵.
    """

    laws: StepLaws
    gain0: Array
    gain1: Array
    rest0: Array
    rest01: Array

    @classmethod
    def on(cls, sde: AffineSDE, grid: Array) -> StrongSolution:
        """Work out every conditional law on a strictly monotone grid of times."""
        laws = step_laws(sde, grid)
        l0, l1 = _legendre(laws)
        gain0, gain1 = (by_step((laws.weight * basis)[:, None, None] * laws.kernel, laws.owner) for basis in (l0, l1))
        left = laws.kernel - l0[:, None, None] * gain0[laws.owner]
        rest0 = _factors(laws, left)
        rest01 = _factors(laws, left - l1[:, None, None] * gain1[laws.owner])
        return cls(laws, gain0, gain1, rest0, rest01)

    @property
    def error(self) -> float:
        """Stated relative error of the propagators over the whole grid (rounding)."""
        return self.laws.error

    def sample(self, initial: Gaussian | Array, n: int, seed: int | np.random.Generator) -> StrongPaths:
        """n joint draws; `initial` is the law at grid[0], or starting points (n, D)."""
        rng = np.random.default_rng(seed)
        start = initial.sample(n, rng) if isinstance(initial, Gaussian) else np.asarray(initial, dtype=np.float64)
        steps, dim, sources = self.gain0.shape
        if start.shape != (n, dim):
            raise ValueError(f"initial: expected points of shape ({n}, {dim}), got {start.shape}")
        normal0, normal1 = rng.standard_normal((2, n, steps, sources))
        root = np.sqrt(np.abs(np.diff(self.laws.grid)))[:, None]
        increments = root * normal0
        # ∫(t_{i+1} − u) dW = h/2 ΔW − h^{3/2} / (2 sqrt 3) ∫ l1 dW.
        areas = 0.5 * root**2 * increments - root**3 / (2.0 * np.sqrt(3.0)) * normal1
        states = self.given(start, increments, areas, seed=rng)
        return StrongPaths(self.laws.grid, increments, areas, states)

    def given(
        self, start: Array, increments: Array, areas: Array | None = None, *, seed: int | np.random.Generator
    ) -> Array:
        """Exact states (n, N + 1, D) under a Brownian path made elsewhere, known by its increments (and areas).

        start (n, D), increments (n, N, M), areas (n, N, M) or None. What the increments leave open (variance
        of order h³ a step, h⁵ with areas) is drawn from its exact conditional law.
        """
        rest = self.rest0 if areas is None else self.rest01
        noise = np.random.default_rng(seed).standard_normal((start.shape[0], *rest.shape[:2]))
        return self._run(start, increments, areas, np.einsum("idk,nik->nid", rest, noise))

    def mean_given(self, start: Array, increments: Array, areas: Array | None = None) -> Array:
        """E[X | start, increments(, areas)], (n, N + 1, D)."""
        return self._run(start, increments, areas, None)

    def covariance_given(self, areas: bool = False) -> Array:
        """Cov[X_{t_i} | start, increments(, areas)], (N + 1, D, D): the same for every path."""
        out = [np.zeros(self.rest0.shape[1:])]
        for phi, rest in zip(self.laws.transition, self.rest01 if areas else self.rest0, strict=True):
            out.append(phi @ out[-1] @ phi.T + rest @ rest.T)
        return np.array(out)

    def _run(self, start: Array, increments: Array, areas: Array | None, rest: Array | None) -> Array:
        start = np.asarray(start, dtype=np.float64)
        steps, dim, sources = self.gain0.shape
        for name, value in (("increments", increments), ("areas", areas)):
            if value is not None and np.shape(value) != (start.shape[0], steps, sources):
                raise ValueError(f"{name}: expected shape {(start.shape[0], steps, sources)}, got {np.shape(value)}")
        root = np.sqrt(np.abs(np.diff(self.laws.grid)))[:, None]
        xi = np.einsum("idm,nim->nid", self.gain0, increments / root)
        if areas is not None:
            normal1 = (0.5 * root**2 * increments - areas) * (2.0 * np.sqrt(3.0)) / root**3
            xi += np.einsum("idm,nim->nid", self.gain1, normal1)
        if rest is not None:
            xi += rest
        states = np.empty((start.shape[0], steps + 1, dim))
        states[:, 0] = start
        for i in range(steps):
            states[:, i + 1] = states[:, i] @ self.laws.transition[i].T + self.laws.shift[i] + xi[:, i]
        return states


def _legendre(laws: StepLaws) -> tuple[Array, Array]:
    """l0 and l1 at the quadrature nodes, orthonormal on each step in |du|, (Q,) each."""
    h = np.abs(np.diff(laws.grid))[laws.owner]
    place = np.abs(laws.node - laws.grid[laws.owner]) / h
    return 1.0 / np.sqrt(h), np.sqrt(3.0) * (2.0 * place - 1.0) / np.sqrt(h)


def _factors(laws: StepLaws, kernel: Array) -> Array:
    """L (N, D, D) with L Lᵀ = ∫ kernel kernelᵀ |du| over each step."""
    squares = by_step(laws.weight[:, None, None] * (kernel @ kernel.swapaxes(-1, -2)), laws.owner)
    return np.array([factor(c) for c in squares])
