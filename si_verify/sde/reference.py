"""Reference paths for strong errors where no closed form is known: fine steps of schemes of our own.

Additive noise: Heun on the drift with the space-time area (Rößler's SRA1, SIAM J. Numer. Anal. 48, 2010), strong order
1½. State-dependent noise: Milstein with its derivative in closed form, strong order 1 where the columns commute; where
they do not, ½ for want of Lévy areas. The reference's own error is what halving its step changes.
"""

from __future__ import annotations

from itertools import pairwise

import torch

from si_verify.sde.brownian import BrownianPath
from si_verify.sde.equation import Equation


def reference(eq: Equation, x0: torch.Tensor, times: list[float], path: BrownianPath) -> torch.Tensor:
    """The state at times[-1] by one reference step between consecutive times. ``eq`` is read as Itô."""
    x = x0
    for t, s in pairwise(times):
        x = _additive(eq, x, t, s, path) if eq.noise is None else _milstein(eq, x, t, s, path)
    return x


def _additive(eq: Equation, x: torch.Tensor, t: float, s: float, path: BrownianPath) -> torch.Tensor:
    h = s - t
    dw, mean_w = path(t, s), path.area(t, s) / abs(h)
    g, g_end = ((2.0 * eq.epsilon(u)) ** 0.5 for u in (t, s))
    f = eq.drift(t, x)
    inner = eq.drift(t + 0.75 * h, x + 0.75 * h * f + 1.5 * g_end * mean_w)
    # ∫ g dW = g(t) ΔW + (g(s) − g(t)) (ΔW − area/h) to the order needed.
    return x + h * (f + 2.0 * inner) / 3.0 + g * dw + (g_end - g) * (dw - mean_w)


def _milstein(eq: Equation, x: torch.Tensor, t: float, s: float, path: BrownianPath) -> torch.Tensor:
    """Itô–Milstein with I_(k,l) = ½ (ΔW_k ΔW_l − δ_kl h): exact where columns commute."""
    noise = eq.noise
    assert noise is not None
    h, dw = s - t, path(t, s)
    eps = 2.0 * eq.epsilon(t)
    sigma = noise.columns(x)
    kick = torch.einsum("ndm,nm->nd", sigma, dw)
    # Σ_kl (g_k·∇) g_l (ΔW_k ΔW_l − δ_kl h): the columns' derivative along the whole kick, less its mean.
    second = torch.einsum("ndm,nm->nd", noise.turned(x, kick), dw) - noise.along(x) * abs(h)
    return x + eq.drift(t, x) * h + eps**0.5 * kick + 0.5 * eps * second
