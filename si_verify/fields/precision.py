"""What a field may lose beyond its dtype: the stated bounds of kernels that round to TF32 or bfloat16 on the way.

A subject says so in ``Claims.extra``; what it may then be wrong by is

    100·eps·K + R        K, eps: as every field of the case's dtype (conditioning.py)

    {"sums": "tf32"}         the factors of the weighted sums in their expanded form are rounded, the logits are not:
                             R = u Σ_k r_k (|f_k| + |v_k| + |a_k x|),  f_k = v_k − a_k x (score: v = p m, a = p;
                             velocity: v = ṁ − a m, −a for a). Linear, every sign at its worst: a bound, no estimate
    {"inputs": "bfloat16"}   x, and by component means, their rates, variances and slopes (or factors) are rounded once:
                             R = Σ over these of the change of the field when that one changes by a relative u with
                             random signs, the largest of ``PATTERNS``. A finite change: u is so coarse that
                             responsibilities in the tails are past their first order

with u the unit roundoff to nearest: 2⁻¹¹ and 2⁻⁸ (11 and 8 digits). Nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.fields.formula import Mixture, apply_cross, fields_of, inputs_at, log_terms, mixture_at, see

UNIT = {"tf32": 2.0**-11, "bfloat16": 2.0**-8}
PATTERNS = 8
_KEYS = {"sums": "tf32", "inputs": "bfloat16"}


def coarse(extra: Mapping[str, Any]) -> dict[str, str]:
    """The claims of coarser formats among ``extra``; ValueError for a format that has no bound."""
    found = {key: str(extra[key]) for key in _KEYS if key in extra}
    for key, name in found.items():
        if name != _KEYS[key]:
            raise ValueError(f"claims.extra[{key!r}]: expected {_KEYS[key]!r}, got {name!r}")
    return found


def why(extra: Mapping[str, Any]) -> str:
    """What is added to the reason of a bound."""
    return "".join(f"; plus R of {key} in {name}, u = {UNIT[name]:g}" for key, name in coarse(extra).items())


def widened(
    extra: Mapping[str, Any], scale: Mapping[str, Tensor], interpolant: Interpolant, t: float, x: Tensor, unit: float
) -> dict[str, Tensor]:
    """K + R / unit by quantity, (N,), so that ``unit`` times it is the stated bound; K itself where nothing is claimed.

    scale: K at x (N, D); unit: 100·eps of the case.
    """
    answer = dict(scale)
    for key in coarse(extra):
        x64 = x.detach().cpu().to(torch.float64)
        m = mixture_at(inputs_at(interpolant, t, torch.float64, torch.device("cpu")))
        lost = (_sums if key == "sums" else _inputs)(m, x64)
        answer = {name: value + lost[name].to(value) / unit for name, value in answer.items()}
    return answer


def _sums(m: Mixture, x: Tensor) -> dict[str, Tensor]:
    lost = {"log_density": torch.zeros_like(x[:, 0])}
    if m.cov.ndim == 3:
        return lost | dict.fromkeys(("score", "velocity"), lost["log_density"])  # no product form: nothing is claimed
    seen = see(m, x)
    shares = torch.softmax(log_terms(m, seen), dim=1)
    cov, cross = (a if a.ndim == 2 else a[:, None].expand_as(m.mean) for a in (m.cov, m.cross))
    own = {"score": (seen.slope, 1 / cov, m.mean / cov)}
    own["velocity"] = (m.mean_dot - apply_cross(m.cross, seen.slope), cross / cov, m.mean_dot - cross / cov * m.mean)
    for name, (each, rate, value) in own.items():
        size = (shares[..., None] * each.abs()).sum(1) + shares @ value.abs() + x.abs() * (shares @ rate.abs())
        lost[name] = UNIT["tf32"] * torch.linalg.vector_norm(size, dim=1)
    return lost


def _inputs(m: Mixture, x: Tensor) -> dict[str, Tensor]:
    exact, generator = fields_of(m, x), torch.Generator().manual_seed(0)
    lost = {name: torch.zeros_like(x[:, 0]) for name in exact}
    for change in _changes(m, x, generator):
        worst = {name: torch.zeros_like(x[:, 0]) for name in exact}
        for _ in range(PATTERNS):
            for name, value in fields_of(*change()).items():
                gap = value - exact[name]
                size = gap.abs() if gap.ndim == 1 else torch.linalg.vector_norm(gap, dim=1)
                worst[name] = torch.maximum(worst[name], size)
        lost = {name: lost[name] + worst[name] for name in lost}
    return lost


def _changes(m: Mixture, x: Tensor, generator: torch.Generator) -> list[Callable[[], tuple[Mixture, Tensor]]]:
    """What is rounded, one at a time: (law, points) with every number of it changed by a relative ±u."""
    u = UNIT["bfloat16"]

    def off(a: Tensor) -> Tensor:
        signs = 2.0 * torch.randint(0, 2, a.shape, generator=generator).to(a) - 1.0
        return torch.where(a == 0, a, a * (1 + u * signs))

    changes: list[Callable[[], tuple[Mixture, Tensor]]] = [
        lambda: (m, off(x)),
        lambda: (m._replace(mean=off(m.mean)), x),
        lambda: (m._replace(mean_dot=off(m.mean_dot)), x),
    ]
    if m.cov.ndim == 2:
        # 1/C is rounded, and A/C by itself: where C changes, A changes with it.
        def precision() -> tuple[Mixture, Tensor]:
            cov = 1 / off(1 / m.cov)
            return m._replace(cov=cov, cross=m.cross * (cov / m.cov)), x

        changes += [precision, lambda: (m._replace(cross=off(m.cross)), x)]
    elif m.cov.ndim == 3:
        factor = torch.linalg.cholesky(m.cov)
        eye = torch.eye(m.cov.shape[-1], dtype=m.cov.dtype).expand_as(m.cov)
        whiten = torch.linalg.solve_triangular(factor, eye, upper=False)
        slope = m.cross @ whiten.mT  # u = ṁ + slope · whiten · δ

        def whitened() -> tuple[Mixture, Tensor]:
            changed = torch.linalg.solve_triangular(off(whiten), eye, upper=False)
            return m._replace(cov=changed @ changed.mT, cross=slope @ changed.mT), x

        changes += [whitened, lambda: (m._replace(cross=off(slope) @ factor.mT), x)]
    return changes
