"""Kernel faults in logits that factorise over pairs of endpoints: what R holds, and what its padding does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from si_verify.faults.fault import Fault
from si_verify.faults.kernel_emulation import Steps, build_with, emulated
from si_verify.kernels.pack_fields import QUANTITIES, Build
from si_verify.kernels.pack_pairs import Pairs, pack_pairs

Joint = Callable[[Tensor], Tensor]
_GROUP = 8  # means of an end that a kernel takes together


def by_factors(pairs: Pairs, x: Tensor, quantity: str, joint: Joint, padding: float) -> Tensor:
    """A field at x (N, D) by the docstring of pack_pairs.py, log2 R through ``joint``, ends padded to whole groups with
    means at the centre of log-weight ``padding``.
    """
    left_field, right_field, slope = pairs.fields[quantity]

    def end(numbers: Any, value: float = 0.0) -> Tensor:
        rows = torch.as_tensor(numbers, dtype=x.dtype)
        more = torch.full((-len(rows) % _GROUP, *rows.shape[1:]), value, dtype=x.dtype)
        return torch.cat([rows, more])

    y = x - torch.as_tensor(pairs.centre, dtype=x.dtype)
    p, q = (
        end(bias, padding) + y @ end(map_).T
        for bias, map_ in ((pairs.left_bias, pairs.left), (pairs.right_bias, pairs.right))
    )
    p, q = (torch.exp2(u - u.amax(1, keepdim=True)) for u in (p, q))
    kept = torch.as_tensor(pairs.joint - pairs.joint.min(), dtype=x.dtype)
    r = torch.ones(p.shape[1], q.shape[1], dtype=x.dtype)
    r[: kept.shape[0], : kept.shape[1]] = torch.exp2(joint(kept))
    of_p, of_q = p * (q @ r.T), q * (p @ r)
    ends = ((of_p, end(left_field)), (of_q, end(right_field)))
    sums = [(s @ f) / s.sum(1, keepdim=True) for s, f in ends]
    return sums[0] + sums[1] + slope * y


def build_by_factors(joint: Joint = lambda r: r, padding: float = -torch.inf) -> Build:
    """``build`` of a kernel that takes what factorises by factors, and everything else as the emulated one does."""

    def build(interpolant: Any, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[..., Tensor]]:
        plain = build_with(Steps())(interpolant, dtype, device)

        def field(quantity: str) -> Callable[..., Tensor]:
            def at(t: float | Tensor, x: Tensor) -> Tensor:
                single = not isinstance(t, Tensor) or t.ndim == 0
                pairs = pack_pairs(interpolant, float(t)) if single and quantity != "log_density" else None
                return plain[quantity](t, x) if pairs is None else by_factors(pairs, x, quantity, joint, padding)

            return at

        return {quantity: field(quantity) for quantity in QUANTITIES}

    return build


_CROSS = "The exponent is split into its two ends and the cross term a_i · b_j is lost: R is 1."
_PADDED = "An end is filled up to whole groups with means of log-weight 0 and R = 1, as if they were there."

FAULTS = (
    Fault(
        emulated("cross-term-of-pairs-dropped", build_by_factors(joint=torch.zeros_like), _CROSS),
        ("kernel-robustness",), _CROSS, "MATH.md section 2, |x − αm0 − βm1|² multiplied out",
    ),
    Fault(
        emulated("padded-end-not-empty", build_by_factors(padding=0.0), _PADDED),
        ("kernel-robustness",), _PADDED, "issue 6: ragged K",
    ),
)  # fmt: skip
