"""What logits as products lose, and for which laws float32's bound has room for it.

A logit from exact differences is off by roundings of p (x − m)². One from products about a centre c is off by roundings
of its terms y p μ, ½ (p − p_min) y² and ½ p μ² (pack_products.py), which cancel: many digits of them for a narrow
component far from the centre, none in the far tails. A rounding is taken to be uniform and independent of its fellows
(Higham and Mary 2019, doi:10.1137/18M1226312). Coordinates come in q blocks, 1 to D = 32 and 4 beyond. One is added to
S_k = const_k − ½ Σ_d (p_k − p_min) y², four each to zero and then to S; terms are taken to be alike, so that with
P_k = y·p_k μ_k an accumulator goes from S to S + P, or from 0 to P/4: a² and A are the means of its squares and of
itself. In units of u = 2⁻²⁴ a logit then has the standard deviation e_k and a field R, at most:

    q = 1: 3 a² = S² + S (S + P) + (S + P)²,  2 A = 2 S + P;        q = 4: 3 a² = (P/4)²,  2 A = P/4
    e² = 40/9 Σ_d (y p μ)² + 6 (½ Σ_d (p − p_min) y²)² + ⅔ S² + 6² + q'/3 max(S², (S + P)²) + D/3 a²,    q' = 0, 4
    R(log ρ) = Σ_k r_k (e_k + D/8 |A_k|) + (5/3 + √D/3) ½ Σ_d p_min y²
    R(f)     = Σ_k r_k (e_k + D/8 |A_k − Σ r A|) |f_k − f| + (7 + √⌈K/48⌉) |Σ_k r_k (|V_k| + |y a_k|)|,     f = s, b

40/9: y = x − c rounded, ⅓; what hi + lo leave of a float32 and of a float64, 1 and 4/3; the dropped lo·lo, 16/9. 6: y²
is rounded twice more. S: its rounding and an addition. 6²: the difference to the maximum and the exponential. a: a
rounding of the accumulator at every term. A: or, on a tensor core, its being cut off at every eighth, by u in the mean,
of which what all components have in common moves no field. √D/3: a sum of D alike. 7: eight cuts of a tile's sum, 4½,
and its products. Whatever one component's errors have to do with another's: deviations add at most. Nothing is fitted.

``held`` asks for ``DEVIATIONS`` R ≤ 80·eps·K, of the 100·eps·K that float32 fields are allowed (si_verify/fields/
conditioning.py; the rest is what every kernel needs), of every quantity by itself: K of log ρ is least at a mode, where
that of a score is not. It looks where the loss is greatest for what K is: at modes and about them, where a component
weighs as much as its neighbour, and forty standard deviations out; of the components with the largest p μ² and of some
at random. A look at points is no proof for all x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from si_verify.kernels.pack import Packed

UNIT = 2.0**-24
DEVIATIONS = 4.0
SHARE = 80.0 * 2 / DEVIATIONS  # of K, in units of u: eps = 2 u
TAIL = 40.0
_EACH = 8  # points of a kind
_CHUNK = 1 << 20  # (point, component, coordinate) numbers at once
_PATTERNS = 8  # as conditioning.py has it

Fields = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Form:
    """A diagonal law in float64, and about its centre: mean (K, D) is μ, lowest and slope (D,) are p and a."""

    law: Packed
    spread: str
    centre: np.ndarray
    mean: np.ndarray
    lowest: np.ndarray
    slope: np.ndarray


def blocks(dim: int) -> int:
    """Parts of a logit's product: each by itself, so that no accumulator holds a long sum."""
    return 1 if dim <= 32 else 4


def held(form: Form) -> frozenset[str]:
    """The quantities for which float32's bound holds with room at every point looked at."""
    x = points(form)
    step = max(1, _CHUNK // form.mean.size)
    return frozenset.intersection(*(_held(form, x[i : i + step]) for i in range(0, len(x), step)))


def _held(form: Form, x: Tensor) -> frozenset[str]:
    lost = loss(form, x)

    def within(least: Fields) -> frozenset[str]:
        return frozenset(name for name in lost if bool((lost[name] <= SHARE * UNIT * least[name]).all()))

    least = _at_least(form, x)
    found = within(least)
    if len(found) < len(lost):  # the dear part of K, where the cheap one does not do
        more = _sensitivity(form, x)
        found = within({name: torch.maximum(least[name], more[name]) for name in least})
    return found


def _tensors(form: Form) -> tuple[Tensor, ...]:
    law = form.law
    return tuple(torch.as_tensor(a) for a in (law.log_weight, law.mean, law.precision, law.slope, law.offset))


def _parts(
    x: Tensor, log_weight: Tensor, mean: Tensor, precision: Tensor, slope: Tensor, offset: Tensor
) -> tuple[Tensor, Tensor, Fields]:
    """Logits (N, K), shares (N, K), and f_k (N, K, D) of score and velocity."""
    delta = x[:, None] - mean
    logits = log_weight - 0.5 * (precision * delta * delta).sum(-1)
    return logits, torch.softmax(logits, 1), {"score": -precision * delta, "velocity": offset + slope * delta}


def _fields(x: Tensor, *law: Tensor) -> Fields:
    logits, shares, each = _parts(x, *law)
    answer = {name: (shares[..., None] * value).sum(1) for name, value in each.items()}
    return {"log_density": torch.logsumexp(logits, 1), **answer}


def constants(form: Form) -> np.ndarray:
    """const_k: about zero, for the largest log-weight is taken off and added to log ρ."""
    law = form.law
    return law.log_weight - law.log_weight.max() - 0.5 * (law.precision * form.mean**2).sum(-1)


def loss(form: Form, x: Tensor) -> Fields:
    """R at x (N, D), float64."""
    _, shares, each = _parts(x, *_tensors(form))
    mu, p, a = (torch.as_tensor(v) for v in (form.mean, form.law.precision, form.law.slope))
    lowest, offset = torch.as_tensor(form.lowest), torch.as_tensor(form.law.offset)
    y = x - torch.as_tensor(form.centre)
    k, dim = mu.shape
    square = 40 / 9 * (y * y) @ (p * mu).square().mT + 6 * (0.5 * (y * y) @ (p - lowest).mT) ** 2 + 36
    start = torch.as_tensor(constants(form)) - 0.5 * (y * y) @ (p - lowest).mT
    whole = y @ (p * mu).mT
    square = square + 2 / 3 * start**2
    if blocks(dim) > 1:
        square = square + 4 / 3 * torch.maximum(start**2, (start + whole) ** 2) + dim / 9 * (whole / 4) ** 2
        cut = dim / 64 * whole
    else:
        square = square + dim / 9 * (start**2 + start * (start + whole) + (start + whole) ** 2)
        cut = dim / 16 * (2 * start + whole)
    off = square.sqrt()
    lost = {"log_density": (shares * (off + cut.abs())).sum(1) + (5 + dim**0.5) / 6 * (y * y) @ lowest}
    off = off + (cut - (shares * cut).sum(1, keepdim=True)).abs()
    factor = 7 + np.ceil(k / 48) ** 0.5
    for name, value, rate in (("score", p * mu, p), ("velocity", offset - a * mu, a)):
        gap = each[name] - (shares[..., None] * each[name]).sum(1, keepdim=True)
        size = shares @ value.abs() + y.abs() * (shares @ rate.abs())
        lost[name] = (shares * off * _norm(gap)).sum(1) + factor * _norm(size)
    return {name: UNIT * value for name, value in lost.items()}


def _norm(value: Tensor) -> Tensor:
    return torch.linalg.vector_norm(value, dim=-1)


def _at_least(form: Form, x: Tensor) -> Fields:
    """Of K what is had at once: the field, and its change with the weights."""
    logits, shares, each = _parts(x, *_tensors(form))
    log_density = torch.logsumexp(logits, 1)
    found = {"log_density": torch.clamp(log_density.abs(), min=1.0)}
    for name, value in each.items():
        mean = (shares[..., None] * value).sum(1, keepdim=True)
        by_weights = (shares[..., None] * (value - mean).abs()).sum(1).amax(1)
        found[name] = torch.maximum(_norm(mean[:, 0]), by_weights)
    return found


def _sensitivity(form: Form, x: Tensor) -> Fields:
    """Of K what changes of all numbers by a relative ±1 give: x, weights, means, variances, slopes, offsets."""
    law, generator = _tensors(form), torch.Generator().manual_seed(0)
    found: Fields = {}
    for _ in range(_PATTERNS):
        sign = [2.0 * torch.randint(0, 2, v.shape, generator=generator).double() - 1.0 for v in (x, *law)]
        along = [v * s for v, s in zip((x, *law), sign, strict=True)]
        along[1] = sign[1] + 0.5 * sign[3].sum(-1)  # log-weights hold the determinants
        slopes = torch.func.jvp(_fields, (x, *law), tuple(along))[1]
        for name, value in slopes.items():
            size = value.abs() if value.ndim == 1 else _norm(value)
            found[name] = torch.maximum(found[name], size) if name in found else size
    return found


def points(form: Form) -> Tensor:
    """Where to look, (N, D) float64; always the same for a law."""
    rng = np.random.default_rng(0)
    law, (k, dim) = form.law, form.mean.shape
    size = (law.precision * form.mean**2).sum(-1)
    worst = np.argsort(-size, kind="stable")[:_EACH]
    # At a mode K is about the logarithm of the component's height.
    peaks = np.argsort(-size / np.maximum(np.abs(law.log_weight), 1.0), kind="stable")[:_EACH]
    chosen = np.concatenate([worst, rng.integers(k, size=_EACH)])
    deviation = 1.0 / np.sqrt(law.precision[chosen])
    ray = rng.standard_normal((len(chosen), dim))
    near = law.mean[chosen] + deviation * ray
    far = law.mean[chosen] + TAIL * deviation * ray / np.linalg.norm(ray, axis=1, keepdims=True) * max(1, dim**0.5 / 4)
    modes = law.mean[np.concatenate([peaks, chosen])]
    return torch.as_tensor(np.concatenate([modes, near, far, _between(form, worst)]))


def _between(form: Form, which: np.ndarray) -> np.ndarray:
    """Between each component and its nearest, the points of equal logits, by bisection."""
    law = form.law
    if len(law.mean) < 2:
        return law.mean
    found = []
    for i in which:
        distance = (law.precision[i] * (law.mean - law.mean[i]) ** 2).sum(-1)
        distance[i] = np.inf
        j = int(distance.argmin())
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = 0.5 * (low + high)
            x = law.mean[i] + middle * (law.mean[j] - law.mean[i])
            logit = [law.log_weight[n] - 0.5 * (law.precision[n] * (x - law.mean[n]) ** 2).sum() for n in (i, j)]
            low, high = (middle, high) if logit[0] > logit[1] else (low, middle)
        found.append(x)
    return np.stack(found)
