"""State-dependent noise that keeps the law: smooth bounded columns with their derivatives in closed form.

For σ = [g_1 ... g_M] with σσᵀ = 2D, dX = [b + D s + ∇·D] dt + σ dW (Itô) has the marginals ρ(t) (MATH.md section 4).
With (g·∇)g the derivative of a column along itself,

    D s = ½ Σ_l g_l (g_l·s),    ∇·D = ½ Σ_l [(g_l·∇) g_l + g_l ∇·g_l],    Stratonovich = Itô − ½ Σ_l (g_l·∇) g_l

Every column is written so that leaving out or doubling one of these terms moves the law visibly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

# Depth of the modulation of the noise over the state: deep enough to be seen, shallow enough that it stays positive.
_DEPTH = 0.6


class StateNoise(Protocol):
    """σ(x) of unit scale; the equation multiplies it by √(2ε(t))."""

    structure: str

    def channels(self, dim: int) -> int: ...

    def columns(self, x: torch.Tensor) -> torch.Tensor:
        """σ, (N, D, M)."""

    def along(self, x: torch.Tensor) -> torch.Tensor:
        """Σ_l (g_l·∇) g_l, (N, D)."""

    def spreading(self, x: torch.Tensor) -> torch.Tensor:
        """Σ_l g_l ∇·g_l, (N, D)."""

    def turned(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """(v·∇) g_l for every column, (N, D, M); v (N, D)."""


def law_keeping(noise: StateNoise, x: torch.Tensor, s: torch.Tensor, stratonovich: bool) -> torch.Tensor:
    """D s + ∇·D for σ of unit scale, less ½ Σ_l (g_l·∇) g_l for a Stratonovich reader; s, the score, (N, D)."""
    along = noise.along(x)
    if isinstance(noise, DiagonalNoise):  # spreading is along; a ladder calls this ten thousand times
        return 0.5 * noise.coefficient(x) ** 2 * s + (0.5 if stratonovich else 1.0) * along
    sigma = noise.columns(x)
    pull = (sigma @ (sigma.transpose(1, 2) @ s[..., None]))[..., 0]
    return 0.5 * (pull + noise.spreading(x) + (0.0 if stratonovich else 1.0) * along)


@dataclass(frozen=True)
class DiagonalNoise:
    """g_l = e_l (1 + c sin(x_l / ℓ)): each coordinate's noise depends on that coordinate alone."""

    length: float
    structure: str = "diagonal"

    def channels(self, dim: int) -> int:
        return dim

    def coefficient(self, x: torch.Tensor) -> torch.Tensor:
        """The diagonal of σ, (N, D)."""
        return 1.0 + _DEPTH * torch.sin(x / self.length)

    def columns(self, x: torch.Tensor) -> torch.Tensor:
        return torch.diag_embed(self.coefficient(x))

    def along(self, x: torch.Tensor) -> torch.Tensor:
        return self.coefficient(x) * (_DEPTH / self.length) * torch.cos(x / self.length)

    def spreading(self, x: torch.Tensor) -> torch.Tensor:
        return self.along(x)

    def turned(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return torch.diag_embed((_DEPTH / self.length) * torch.cos(x / self.length) * v)


@dataclass(frozen=True)
class ScalarNoise:
    """One column, g = (1 + c sin(x_2/ℓ), 1 + c cos(x_1/ℓ), ...): each entry depends on the next coordinate.

    Its Jacobian is not symmetric, so that ∂_i g_j g_j for g_j ∂_j g_i shows; in one dimension g = 1 + c sin(x/ℓ).
    """

    length: float
    structure: str = "scalar"

    def channels(self, dim: int) -> int:
        return 1

    def _shifted(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        phase = torch.arange(x.shape[1], dtype=x.dtype, device=x.device) * (torch.pi / 2)
        angle = torch.roll(x, -1, dims=1) / self.length + phase
        return 1.0 + _DEPTH * torch.sin(angle), (_DEPTH / self.length) * torch.cos(angle)

    def columns(self, x: torch.Tensor) -> torch.Tensor:
        return self._shifted(x)[0][..., None]

    def along(self, x: torch.Tensor) -> torch.Tensor:
        value, slope = self._shifted(x)
        return slope * torch.roll(value, -1, dims=1)

    def spreading(self, x: torch.Tensor) -> torch.Tensor:
        return self.along(x) if x.shape[1] == 1 else torch.zeros_like(x)

    def turned(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return (self._shifted(x)[1] * torch.roll(v, -1, dims=1))[..., None]


@dataclass(frozen=True)
class GeneralNoise:
    """D columns that do not commute: e_l turned by an angle that depends on the state.

    Column l is e_l + c sin(x_l/ℓ) e_{l+1} (indices cyclic, D ≥ 2): (g_l·∇)g_k differs from (g_k·∇)g_l, so that a
    scheme of strong order one needs Lévy areas.
    """

    length: float
    structure: str = "general"

    def channels(self, dim: int) -> int:
        return dim

    def columns(self, x: torch.Tensor) -> torch.Tensor:
        turn = _DEPTH * torch.sin(x / self.length)
        return torch.eye(x.shape[1], dtype=x.dtype, device=x.device) + torch.roll(torch.diag_embed(turn), 1, dims=1)

    def along(self, x: torch.Tensor) -> torch.Tensor:
        return torch.roll((_DEPTH / self.length) * torch.cos(x / self.length), 1, dims=1)

    def spreading(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)

    def turned(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        slope = (_DEPTH / self.length) * torch.cos(x / self.length) * v
        return torch.roll(torch.diag_embed(slope), 1, dims=1)


def state_noise(structure: str, length: float) -> StateNoise:
    """The noise of a structure: "diagonal", "scalar" or "general". ValueError for another."""
    kinds: dict[str, type] = {"diagonal": DiagonalNoise, "scalar": ScalarNoise, "general": GeneralNoise}
    if structure not in kinds:
        raise ValueError(f"structure: expected one of {', '.join(kinds)}, got {structure!r}")
    return kinds[structure](length)
