"""A packed law as the factors of matrix products in three TF32 products each, where float32 holds that form.

With c the law's mean rounded to float32, y = x − c, μ_k = m_k − c, and p, a the least precision and the middle slope of
every coordinate, all from float64:

    logit_k = const_k + Σ_d y_d (p_kd μ_kd) − ½ Σ_d (p_kd − p_d) y_d²
    const_k = log_weight_k − shift − ½ Σ_d p_kd μ_kd²,    shift = max_k log_weight_k
    log ρ = shift + logsumexp_k logit_k − ½ Σ_d p_d y_d²
    s = Σ_k r_k p_k μ_k − y (p + Σ_k r_k (p_k − p)),    b = Σ_k r_k (ṁ_k − a_k μ_k) + y (a + Σ_k r_k (a_k − a))

Logits are in units of log 2. A factor v is two float32 arrays of 11 digits, hi = tf32(v) and lo = tf32(v − hi).
Components are padded to a multiple of 64 with weight zero, coordinates to a power of two with zeros: no masks in the
loop. Which laws are taken: product_loss.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from si_verify.kernels.pack import Packed
from si_verify.kernels.product_loss import Form, constants, held

LOG2_E = 1.4426950408889634
PADDED = 64
WIDEST = {"shared": 128, "isotropic": 128, "diagonal": 32}  # coordinates that registers and shared memory hold

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Products:
    """Kp components, Dp coordinates as padded; float32 tensors, contiguous. A leading 2: hi and lo.

    ========= ================================================ ===================================================
    spread    shared, isotropic, diagonal                      how precisions and slopes differ between components
    centre    (Dp,)                                            c
    reach     (2, Kp, Dp)                                      p_k μ_k / log 2
    shift     a number                                         the largest log-weight
    const     (Kp,)                                            const_k / log 2; −inf for a padded component
    bend      (Kp,) isotropic, (2, Kp, Dp) diagonal            −½ (p_k − p) / log 2
    reference (Dp,)                                            p
    pull      (2, Dp, Kp)                                      p_k μ_k
    pull_rate (Kp,), (2, Dp, Kp)                               p_k − p
    drift     (Dp,)                                            −a
    flow      (2, Dp, Kp)                                      ṁ_k − a_k μ_k
    flow_rate (Kp,), (2, Dp, Kp)                               −(a_k − a)
    ========= ================================================ ===================================================

    Components in the last axis of a (2, Dp, Kp) array stand in groups of eight as ``turned`` has them.
    """

    spread: str
    n_components: int
    dim: int
    centre: Tensor
    reach: Tensor
    shift: float
    const: Tensor
    bend: Tensor
    reference: Tensor
    pull: Tensor
    pull_rate: Tensor
    drift: Tensor
    flow: Tensor
    flow_rate: Tensor


def to_tf32(values: Array) -> Array:
    """The nearest numbers of 11 binary digits, ties to even, as float64."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.rint(np.ldexp(mantissa, 11)), exponent - 11)


def halves(values: Array) -> Array:
    """(2, ...): hi and lo."""
    hi = to_tf32(values)
    return np.stack([hi, to_tf32(values - hi)])


def turned(values: Array) -> Array:
    """(..., K, D) to (..., D, K), components 2i and 2i + 1 of every eight moved to i and i + 4.

    A thread of a tensor core finds columns 2i and 2i + 1 of a product and gives columns i and i + 4 of a factor: with
    this order weights go from one product into the next without a shuffle.
    """
    flat = np.swapaxes(values, -1, -2)
    groups = flat.reshape(*flat.shape[:-1], -1, 4, 2)
    return np.ascontiguousarray(np.swapaxes(groups, -1, -2).reshape(flat.shape))


def form_of(law: Packed) -> Form:
    """The law about its centre, float64. ValueError for full covariances."""
    if law.kind == "full":
        raise ValueError("law: expected an isotropic or diagonal mixture, got full covariances")
    wide = law.as_diagonal()
    log_share = wide.log_weight - 0.5 * np.log(wide.precision).sum(-1)
    share = np.exp(log_share - log_share.max())
    centre = np.asarray(share @ wide.mean / share.sum(), dtype=np.float32).astype(np.float64)
    lowest = wide.precision.min(0)
    slope = 0.5 * (wide.slope.min(0) + wide.slope.max(0))
    spread: str = law.kind
    if bool((wide.precision == lowest).all() and (wide.slope == slope).all()):
        spread = "shared"
    return Form(wide, spread, centre, wide.mean - centre, lowest, slope)


def products(law: Packed, device: torch.device) -> tuple[Products | None, frozenset[str]]:
    """The factors, and the quantities for which float32's bound holds of them; none where there is no room for D."""
    if law.kind == "full" or not all(np.isfinite(a).all() for a in (law.slope, law.offset)):
        return None, frozenset()
    form = form_of(law)
    names = held(form) if law.dim <= WIDEST[form.spread] else frozenset()
    return factors(form, device) if names else None, names


def factors(form: Form, device: torch.device) -> Products:
    """The factors whatever they lose."""
    wide, mu = form.law, form.mean
    k, dim = mu.shape
    more_k, more_d = -k % PADDED, max(16, 1 << (dim - 1).bit_length()) - dim

    def put(values: Array, fill: float = 0.0) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float32, device=device)

    def vector(values: Array) -> Tensor:
        return put(np.pad(values, (0, more_d)))

    def matrix(values: Array) -> Array:
        return halves(np.pad(values, ((0, more_k), (0, more_d))))

    def spreads(values: Array, turn: bool) -> Tensor:
        if form.spread == "shared":
            return put(np.zeros(1))
        if form.spread == "isotropic":
            return put(np.pad(values[:, 0], (0, more_k)))
        return put(turned(matrix(values)) if turn else matrix(values))

    above, steeper = wide.precision - form.lowest, wide.slope - form.slope
    const = LOG2_E * constants(form)
    return Products(
        spread=form.spread,
        n_components=k + more_k,
        dim=dim,
        centre=vector(form.centre),
        reach=put(matrix(LOG2_E * wide.precision * mu)),
        shift=float(wide.log_weight.max()),
        const=put(np.pad(const, (0, more_k), constant_values=-np.inf)),
        bend=spreads(-0.5 * LOG2_E * above, False),
        reference=vector(form.lowest),
        pull=put(turned(matrix(wide.precision * mu))),
        pull_rate=spreads(above, True),
        drift=vector(-form.slope),
        flow=put(turned(matrix(wide.offset - wide.slope * mu))),
        flow_rate=spreads(-steeper, True),
    )
