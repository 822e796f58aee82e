"""The mixture fields as fused numba kernels: points across the lanes of a register, one pass over components."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch

from analytic import Interpolant
from si_verify.subject import VARIANT, Claims, Subject, Unavailable

QUANTITIES = ("log_density", "score", "velocity")

Field = Callable[..., torch.Tensor]


def build(interpolant: Interpolant, dtype: torch.dtype, device: torch.device) -> dict[str, Field]:
    """The three fields on the CPU. Unavailable on another device."""
    from si_verify.kernels import numba_end_law, numba_law, numba_pair_law
    from si_verify.kernels.pack import Packed, pack
    from si_verify.kernels.pack_ends import pack_ends
    from si_verify.kernels.pack_one_end import pack_one_end
    from si_verify.kernels.pack_pairs import Pairs, pack_pairs

    if device.type != "cpu":
        raise Unavailable(f"numba kernels run on the CPU, not on {device}")
    real = {torch.float64: "float64", torch.float32: "float32"}[dtype]

    @lru_cache(maxsize=256)
    def packed(t: float) -> Packed:
        return pack(interpolant, t)

    @lru_cache(maxsize=256)
    def pairs(t: float) -> Pairs | None:
        return pack_pairs(interpolant, t)

    @lru_cache(maxsize=256)
    def law(quantity: str, t: float) -> numba_law.Law:
        at = packed(t)
        return numba_law.prepare(at, real, [] if quantity == "log_density" else [numba_law.affine(at, quantity)])

    @lru_cache(maxsize=256)
    def pair_law(quantity: str, t: float) -> numba_pair_law.PairLaw | None:
        # The density stays with the pass over differences: log ρ would be what large exponents leave of each other.
        at = None if quantity == "log_density" else pairs(t)
        return None if at is None else numba_pair_law.prepare(at, real, quantity)

    @lru_cache(maxsize=256)
    def end_law(quantity: str, t: float) -> numba_end_law.EndLaw | None:
        ends = (pack_one_end(interpolant, t) or pack_ends(interpolant, t)) if quantity == "velocity" else None
        serves = quantity == "score" or ends is not None
        return numba_end_law.prepare(packed(t), real, ends) if serves else None

    def at(quantity: str, t: float, x: torch.Tensor) -> torch.Tensor:
        ends = end_law(quantity, t)
        if ends is not None:
            return numba_end_law.evaluate(ends, x)
        factors = pair_law(quantity, t)
        if factors is not None:
            values, again = numba_pair_law.evaluate(factors, x)
            if bool(again.any()):
                values[again] = numba_law.evaluate(law(quantity, t), x[again], False)[1][0]
            return values
        logs, fields = numba_law.evaluate(law(quantity, t), x, quantity == "log_density")
        return fields[0] if fields else logs

    def field(quantity: str) -> Field:
        def evaluate(t: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            if not isinstance(t, torch.Tensor) or t.ndim == 0:
                return at(quantity, float(t), x)
            return torch.cat([at(quantity, float(s), x[i : i + 1]) for i, s in enumerate(t)])

        return evaluate

    return {quantity: field(quantity) for quantity in QUANTITIES}


def load() -> Callable[..., dict[str, Field]]:
    """``build``; Unavailable without numba."""
    try:
        from si_verify.kernels import numba_fields  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"numba is not installed ({error}): pip install 'si-verify[kernels]'") from error
    return build


SUBJECT = Subject(
    # A variant: compiling costs more than a whole quick run.
    name="numba/fields",
    kind="field",
    load=load,
    claims=Claims(quantities=QUANTITIES),
    tags=frozenset({"numba", "fused", "kernel", VARIANT}),
    modules=(
        "si_verify.kernels.numba_fields",
        "si_verify.kernels.numba_logits",
        "si_verify.kernels.numba_sums",
        "si_verify.kernels.numba_pairs",
        "si_verify.kernels.numba_whitened",
        "si_verify.kernels.numba_triangles",
        "si_verify.kernels.pack_ends",
        "si_verify.kernels.pack_one_end",
        "si_verify.kernels.pack_pairs",
    ),
    dtypes=("float64", "float32"),
    summary="log-density, score and velocity in one pass, points across lanes; by factors where logits factorise,"
    " by ends where covariances are full",
)
