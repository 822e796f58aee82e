"""torchsde's Milstein on scalar noise in two dimensions: a transposed Jacobian. Needs torchsde only.

dX = (1, X1)ᵀ∘dW from (0, 0): X1 = W, X2 = W²/2, so that E X2(1) = ½. The Jacobian of g is [[0, 0], [1, 0]]:
½ (∇g) g ΔW² = (0, ½ ΔW²), what torchsde adds is ½ (∇g)ᵀ g ΔW² = (½ X1 ΔW², 0).
"""

from __future__ import annotations

import torch
import torchsde


class Equation:
    noise_type = "scalar"

    def __init__(self, sde_type: str) -> None:
        self.sde_type = sde_type

    def f(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        # Itô's drift of the same equation is ½ (∇g) g = (0, ½).
        shift = 0.5 if self.sde_type == "ito" else 0.0
        return torch.stack([torch.zeros_like(x[:, 0]), torch.full_like(x[:, 0], shift)], dim=1)

    def g(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.ones_like(x[:, 0]), x[:, 0]], dim=1)[..., None]


ROWS = 4000
errors, means = {}, {}
print(f"{'interpretation':15s} {'variant':10s} {'n':>4s} {'RMS error of X2':>16s} {'mean of X2 (½)':>15s}")
for sde_type in ("ito", "stratonovich"):
    for grad_free in (False, True):
        for n in (8, 32, 128):
            bm = torchsde.BrownianInterval(0.0, 1.0, size=(ROWS, 1), dtype=torch.float64, entropy=7)
            x = torchsde.sdeint(
                Equation(sde_type), torch.zeros(ROWS, 2, dtype=torch.float64), torch.tensor([0.0, 1.0]).double(),
                bm=bm, method="milstein", dt=1.0 / n, options={"grad_free": grad_free},
            )[-1].detach()  # fmt: skip
            exact = 0.5 * bm(0.0, 1.0)[:, 0] ** 2
            key = sde_type, grad_free, n
            errors[key], means[key] = float(((x[:, 1] - exact) ** 2).mean() ** 0.5), float(x[:, 1].mean())
            name = "grad_free" if grad_free else "autograd"
            print(f"{sde_type:15s} {name:10s} {n:4d} {errors[key]:16.2e} {means[key]:15.3f}")

ito, stratonovich = (errors[kind, False, 8] / errors[kind, False, 128] for kind in ("ito", "stratonovich"))
assert 3 < ito < 6, "Itô: sixteen times the steps make a fourth of the error: strong order ½, not 1"
assert stratonovich < 1.5, "Stratonovich: no convergence"
assert abs(means["stratonovich", False, 128]) < 0.1, "Stratonovich: E X2 = 0, not ½"
assert errors["stratonovich", True, 128] < 1e-12, "the variant free of derivatives is exact here"
