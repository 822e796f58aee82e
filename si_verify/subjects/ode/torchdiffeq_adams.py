"""The Adams methods of torchdiffeq (``fixed_adams.py``), whose class declares order 4.

The implicit ones iterate their corrector to ``rtol``; it is set near rounding and the iterations are given room, so
that the order of the method is seen and not the tolerance of its inner iteration.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from si_verify.subject import VARIANT, Claims, ExpectedFailure, Subject
from si_verify.subjects.ode.torchdiffeq_adapter import MODULES, Velocity, load_fixed, odeint

Tensor = torch.Tensor


def _load_implicit(method: str, **more: int) -> Callable[[], Callable[..., Tensor]]:
    def load() -> Callable[..., Tensor]:
        run = odeint()

        def solve(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
            inner = 64 * torch.finfo(x0.dtype).eps
            return run(velocity, x0, times, method=method, rtol=inner, atol=inner, options={"max_iters": 50, **more})[
                -1
            ]

        return solve

    return load


_UNEQUAL = ExpectedFailure(
    "ode-order-non-uniform",
    "the weights are those of equal steps, whatever the times: on unequal steps the order falls to 1",
    "docs/findings.md#torchdiffeq-adams-weights-of-equal-steps-on-unequal-ones",
    dtype="float64",
)
_UNSTABLE_TOO = tuple(
    ExpectedFailure(
        "ode-order",
        "the default max_order = 12 climbs to an Adams–Moulton formula of order 12, unstable until h·|∇b| is below "
        "1/10",
        "docs/findings.md#torchdiffeq-explicit_adams-unstable-by-default",
        problem=problem,
        dtype="float64",
        strict=False,
    )
    for problem in ("1d-bimodal*", "one-sided-vp*", "product-*")
)
_UNSTABLE = tuple(
    ExpectedFailure(
        check,
        "the default max_order = 12 climbs to an Adams–Bashforth formula of order 11, whose stability region is about "
        "1/500 wide: the error grows under refinement until h·|∇b| is below that",
        "docs/findings.md#torchdiffeq-explicit_adams-unstable-by-default",
        strict=False,
    )
    for check in ("ode-order*", "law-*", "ode-work-precision")
)


_MARKS = {
    "explicit_adams": _UNSTABLE,
    "implicit_adams": (_UNEQUAL, *_UNSTABLE_TOO),
    "fixed_adams": (_UNEQUAL, *_UNSTABLE_TOO),
}
_VARIANTS = ("fixed_adams", "implicit_adams-max-order-5")


def _subject(method: str, load: Callable[[], Callable[..., Tensor]]) -> Subject:
    return Subject(
        name=f"torchdiffeq/{method}",
        kind="ode",
        load=load,
        claims=Claims(order=4.0),
        tags=frozenset({"torchdiffeq", "fixed-step", "multistep", *((VARIANT,) if method in _VARIANTS else ())}),
        modules=MODULES,
        dtypes=("float64",) if method == "fixed_adams" else ("float64", "float32"),  # the same class by an older name
        expected_failures=_MARKS.get(method, (_UNEQUAL,)),
        summary=f"torchdiffeq {method}, order 4 claimed",
    )


SUBJECTS = (
    _subject("explicit_adams", load_fixed("explicit_adams")),
    # Option max_order counts the corrector: 5 keeps four old slopes, which is the formula of order 4.
    _subject("explicit_adams-max-order-5", load_fixed("explicit_adams", max_order=5)),
    _subject("implicit_adams", _load_implicit("implicit_adams")),
    _subject("implicit_adams-max-order-5", _load_implicit("implicit_adams", max_order=5)),
    _subject("fixed_adams", _load_implicit("fixed_adams")),
)
