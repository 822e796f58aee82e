"""One explicit or implicit Fokker–Planck step on a square grid, in the forms that are raced against each other.

    F = ½ w (ρ_L + ρ_R) − max(ε/h, ½|w|) (ρ_R − ρ_L),   ρ_i ← ρ_i − dt/h (F_{i+½} − F_{i−½})

(si_verify/subjects/pde/fused_kernels.py). All get the same ρ and the same drift on faces; forms that are faster with
coefficients made beforehand may make them beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Scaled drift ½ w dt/h below LIMIT in size, diffusion ε dt/h²: a stable explicit step; implicit ones are 50 times that.
LIMIT, DIFFUSION, STIFF = 0.04, 0.05, 50.0
ROUNDINGS = 16  # of numbers below 1, a step: a dozen, and room


@dataclass
class Square:
    """ρ (n, n) and drift times ½ dt/h on all faces, wx (n + 1, n) and wy (n, n + 1), zero on the walls."""

    n: int
    dtype: str
    steps: int = 1
    stiff: float = 1.0
    rho: np.ndarray = field(init=False)
    wx: np.ndarray = field(init=False)
    wy: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        x = (np.arange(self.n + 1) / self.n - 0.5) * 2 * np.pi
        middle = 0.5 * (x[1:] + x[:-1])
        self.wx = LIMIT * self.stiff * np.sin(2 * x)[:, None] * np.cos(middle)[None]
        self.wy = LIMIT * self.stiff * np.cos(middle)[:, None] * np.sin(3 * x)[None]
        self.wx[[0, -1]] = 0.0
        self.wy[:, [0, -1]] = 0.0
        self.wx, self.wy = (np.ascontiguousarray(w, dtype=self.dtype) for w in (self.wx, self.wy))
        self.rho = np.empty((self.n, self.n), self.dtype)
        self.renew(0)

    def renew(self, seed: int) -> None:
        """Another ρ, in place: whoever shares the memory sees it."""
        self.rho[...] = np.random.default_rng(seed).random((self.n, self.n))

    @property
    def diffusion(self) -> float:
        return DIFFUSION * self.stiff

    @property
    def scalar(self) -> type[np.floating[Any]]:
        return np.float64 if self.dtype == "float64" else np.float32

    def coefficients(self, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """p, q of both axes on inner faces: F dt/h = p ρ_L − q ρ_R."""
        wx, wy = self.wx[1:-1].astype(dtype), self.wy[:, 1:-1].astype(dtype)
        sx, sy = (np.maximum(np.asarray(self.diffusion, dtype), np.abs(w)) for w in (wx, wy))
        return sx + wx, sx - wx, sy + wy, sy - wy

    def exact(self) -> np.ndarray:
        """ρ after ``steps`` explicit steps, float64, from flux differences in numpy."""
        px, qx, py, qy = self.coefficients("float64")
        rho = self.rho.astype("float64")
        for _ in range(self.steps):
            out = rho.copy()
            fx, fy = px * rho[:-1] - qx * rho[1:], py * rho[:, :-1] - qy * rho[:, 1:]
            out[:-1] -= fx
            out[1:] += fx
            out[:, :-1] -= fy
            out[:, 1:] += fy
            rho = out
        return rho

    def error(self, answer: Any) -> float:
        """Largest error in units of 16 eps a step."""
        found = np.asarray(answer, dtype="float64").reshape(self.n, self.n)
        allowed = ROUNDINGS * self.steps * float(np.finfo(self.dtype).eps)
        return float(np.abs(found - self.exact()).max()) / allowed

    def operator(self, axes: tuple[int, ...] = (0, 1)) -> Any:
        """τL as a SciPy CSR matrix on ρ.ravel(), float64, of the given axes."""
        from scipy import sparse

        px, qx, py, qy = self.coefficients("float64")
        index = np.arange(self.n * self.n).reshape(self.n, self.n)
        parts = [(px, qx, index[:-1], index[1:])] if 0 in axes else []
        parts += [(py, qy, index[:, :-1], index[:, 1:])] if 1 in axes else []
        rows, cols, values = [], [], []
        for p, q, a, b in parts:
            low, high, up, down = (v.ravel() for v in (a, b, p, q))
            rows += [low, low, high, high]
            cols += [low, high, low, high]
            values += [-up, down, up, -down]
        size = self.n * self.n
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols)))
        return sparse.csr_matrix(entries, shape=(size, size))

    def backward_error(self, answer: Any, split: bool) -> float:
        """‖A x − ρ‖∞ in units of 64 eps ‖|A| |x|‖∞, A = I − τL or its product over the axes."""
        from scipy import sparse

        x = np.asarray(answer, dtype="float64").reshape(-1)
        one = sparse.identity(self.n * self.n, format="csr")
        parts = [one - self.operator((axis,)) for axis in (0, 1)] if split else [one - self.operator()]
        size, found = np.abs(x), x
        for part in reversed(parts):
            found, size = part @ found, abs(part) @ size
        return float(np.abs(found - self.rho.reshape(-1)).max() / (64 * np.finfo(self.dtype).eps * size.max()))
