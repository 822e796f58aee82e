"""torchsde's derivative-free Milstein, Stratonovich: order ½, not 1. Needs torchsde only.

dX = √(1 + X²)∘dW from 0: X = sinh W. The slope of g is taken as (g(x + g √h) − g(x))/√h, whose error ½ g″ g² √h meets
ΔW², which has mean h: a bias of ¼ g″ g² h^{3/2} in every step.
"""

from __future__ import annotations

import math

import torch
import torchsde


class Equation:
    noise_type, sde_type = "diagonal", "stratonovich"

    def f(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)

    def g(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(1.0 + x * x)


ROWS, FINEST = 4000, 512
W = torch.randn(FINEST, ROWS, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64) / math.sqrt(FINEST)
W = torch.cat([torch.zeros(1, ROWS, 1, dtype=torch.float64), W.cumsum(0)])


class Path(torchsde.BaseBrownian):
    """W on a grid of 512 steps."""

    dtype, device, shape = W.dtype, W.device, W.shape[1:]
    levy_area_approximation = "none"

    def __call__(self, ta, tb=None, return_U=False, return_A=False):  # type: ignore[no-untyped-def]
        return W[round(float(tb) * FINEST)] - W[round(float(ta) * FINEST)]

    def __repr__(self) -> str:
        return "Path()"


exact = torch.sinh(W[-1])
bias, error = {}, {}
print(f"{'variant':10s} {'n':>4s} {'RMS error':>10s} {'mean of tanh X_h − tanh X':>26s}")
for grad_free in (False, True):
    for n in (8, 32, 128, 512):
        x = torchsde.sdeint(
            Equation(), torch.zeros(ROWS, 1, dtype=torch.float64), torch.tensor([0.0, 1.0]).double(),
            bm=Path(), method="milstein", dt=1.0 / n, options={"grad_free": grad_free},
        )[-1].detach()  # fmt: skip
        bias[grad_free, n] = float((torch.tanh(x) - torch.tanh(exact)).mean())
        error[grad_free, n] = float(((x - exact) ** 2).mean() ** 0.5)
        name = "grad_free" if grad_free else "autograd"
        print(f"{name:10s} {n:4d} {error[grad_free, n]:10.2e} {bias[grad_free, n]:26.1e}")

weak = math.log(bias[True, 32] / bias[True, 512]) / math.log(16)
strong, right = (math.log(error[v, 32] / error[v, 512]) / math.log(16) for v in (True, False))
print(f"grad_free: weak order {weak:.2f}, strong order {strong:.2f}; autograd: strong order {right:.2f}")
assert 0.4 < weak < 0.6, "weak order ½, where the class states 1"
assert strong < 0.75, "strong order on its way to ½, where the class states 1"
assert right > 0.9, "with the derivative the order is 1"
