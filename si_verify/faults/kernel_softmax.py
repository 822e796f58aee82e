"""Kernel faults in the online softmax: masks, maxima, rescaling, accumulators, weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from si_verify.faults.kernel_emulation import BK, Steps, component_rows, kernel_fault
from si_verify.fields.formula import LOG_TWO_PI
from si_verify.kernels.pack import Packed

_ONLINE = "Milakov and Gimelshein, arXiv:1805.02867, algorithm 3"


def _variance_after_the_first_tile(law: Packed, name: str, ks: Tensor, ds: Tensor) -> Tensor:
    right = component_rows(law, name, ks, ds)
    return right if int(ks[0]) < BK else torch.where(right > 0, 1.0 / right, right)


def _determinant_only(law: Packed) -> Tensor:
    return 0.5 * torch.log(law.precision).sum(1) - 0.5 * law.dim * LOG_TWO_PI - math.log(law.n_components)


def _half(a: Tensor) -> Tensor:
    return a.to(torch.float16).to(a.dtype)


class _Dirty:
    """Memory that is clean the first time only."""

    def __init__(self) -> None:
        self.used = False

    def __call__(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        content = torch.nan if self.used else 0.0
        self.used = True
        return torch.full(shape, content, dtype=like.dtype)


FAULTS = (
    kernel_fault(
        "masked-tail-zero", Steps(tail=0.0),
        "Components past the end of K are loaded as 0 and keep a logit of 0: each adds a weight of e⁰ to the softmax.",
    ),
    kernel_fault(
        "sums-not-rescaled", Steps(shrink_sums=lambda top, new: torch.ones_like(new)),
        "A new maximum rescales the total and not the weighted sums.", _ONLINE,
    ),
    kernel_fault(
        "total-not-rescaled", Steps(shrink_total=lambda top, new: torch.ones_like(new)),
        "A new maximum rescales the weighted sums and not the total.", _ONLINE,
    ),
    kernel_fault(
        "maximum-of-last-tile", Steps(maximum=lambda top, logits: logits.amax(1)),
        "The maximum of the tile replaces the running one: rescaling overflows where an earlier tile was far higher.",
        _ONLINE,
    ),
    kernel_fault(
        "maximum-from-zero", Steps(start=0.0),
        "The running maximum starts at 0: where all log terms are far below, every weight underflows.", _ONLINE,
    ),
    kernel_fault(
        "no-maximum", Steps(maximum=lambda top, logits: torch.zeros_like(top), start=0.0),
        "exp of the logits as they are: 0/0 in the tails.", "MATH.md section 2: never exponentiate first",
    ),
    kernel_fault(
        "log-weight-dropped", Steps(log_weight=_determinant_only),
        "The logits hold the determinant but not the weight of a component.", "MATH.md section 9",
    ),
    kernel_fault(
        "variance-after-first-tile", Steps(metric=_variance_after_the_first_tile),
        "The staging of every tile but the first copies variances where precisions belong.", "MATH.md section 9",
    ),
    kernel_fault(
        "half-precision-sums", Steps(hold=_half),
        "Totals and sums are kept in float16 between tiles: the unit's accumulator was asked for in the inputs' type.",
    ),
    kernel_fault(
        "accumulator-not-cleared", Steps(begin=_Dirty()),
        "The first tile scales what the output's memory held by e^−∞ and does not overwrite it: 0 · NaN if dirty.",
    ),
)  # fmt: skip
