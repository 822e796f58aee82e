"""torchsde's reversible Heun under a drift that contracts: its second state drifts away. Needs torchsde only.

U an Ornstein–Uhlenbeck process, dU = −λ U dt + dW from 0, and X = sinh U:

    dX = −λ asinh(X) √(1 + X²) dt + √(1 + X²)∘dW,   Var asinh X(1) = (1 − e^{−2λ})/2λ

The scheme carries y and z, z' = 2y − z + f h + g ΔW with f, g at z. On y' = −λ y one of the two multipliers of a step
is −(λh + √(1 + λ²h²)), about e^{λh} in size: e^{λT} over a run, whatever the step. Noise that depends on the state
feeds it.
"""

from __future__ import annotations

import math

import torch
import torchsde


class Equation:
    noise_type, sde_type = "diagonal", "stratonovich"

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def f(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return -self.rate * torch.asinh(x) * torch.sqrt(1.0 + x * x)

    def g(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(1.0 + x * x)


ROWS, FINEST = 4000, 1024
W = torch.randn(FINEST, ROWS, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64) / math.sqrt(FINEST)
W = torch.cat([torch.zeros(1, ROWS, 1, dtype=torch.float64), W.cumsum(0)])


class Path(torchsde.BaseBrownian):
    """W on a grid of 1,024 steps."""

    dtype, device, shape = W.dtype, W.device, W.shape[1:]
    levy_area_approximation = "none"

    def __call__(self, ta, tb=None, return_U=False, return_A=False):  # type: ignore[no-untyped-def]
        return W[round(float(tb) * FINEST)] - W[round(float(ta) * FINEST)]

    def __repr__(self) -> str:
        return "Path()"


excess = {}
print(f"{'λ':>3s} {'method':16s} {'n':>5s} {'Var asinh X / exact':>20s}")
for rate in (1.0, 4.0, 8.0):
    for method in ("heun", "reversible_heun"):
        for n in (32, 128, 512):
            x = torchsde.sdeint(
                Equation(rate), torch.zeros(ROWS, 1, dtype=torch.float64), torch.tensor([0.0, 1.0]).double(),
                bm=Path(), method=method, dt=1.0 / n,
            )[-1].detach()  # fmt: skip
            exact = (1.0 - math.exp(-2.0 * rate)) / (2.0 * rate)
            excess[rate, method, n] = float(torch.asinh(x).var()) / exact
            print(f"{rate:3g} {method:16s} {n:5d} {excess[rate, method, n]:20.3f}")

# The sampling error of a variance of 4,000 draws is 2.2 %: three of them.
assert all(abs(excess[rate, "heun", n] - 1.0) < 0.067 for rate in (1.0, 4.0, 8.0) for n in (32, 128, 512)), "Heun"
assert abs(excess[1.0, "reversible_heun", 32] - 1.0) < 0.067, "under mild contraction reversible Heun is right as well"
assert excess[8.0, "reversible_heun", 128] > 1.5, "with it the variance is far too large"
