"""Derivatives by kernels under what breaks kernels: ragged shapes, strides, batches, stale memory, tails, weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from si_verify.check import Check, Context
from si_verify.checks.field_derivatives import WHY, Look, answer_of, claimed, look_at, ratio
from si_verify.checks.field_pointwise import UNITS
from si_verify.checks.kernel_laws import ROWS, Law, kind_of, layouts, paired, rows, shaped, uneven
from si_verify.fields.derivatives import PRODUCTS
from si_verify.measurement import Measurement, Outcome
from si_verify.subject import Unavailable

_TWICE = "200·eps·K': two answers, each within 100·eps·K' of the exact one (field-derivatives)"
_PARTLY = (
    "a kernel may leave a kind of covariance to others; one that it takes, it takes whatever the shape and weights"
)
_TAIL = 40.0  # standard deviations
_LARGEST = 60_000  # numbers (K, D, D) beyond which the yardstick's Jacobians are not asked for


def _poisoned(call: Callable[[], Tensor], like: Tensor) -> Tensor:
    """The answer of ``call`` after memory of the sizes that a kernel's answers may have was filled with NaN."""
    n, dim = like.shape
    for shape in ((n,), (3, n), (5, n), (n, dim), (2, n, dim), (4, n, dim)):
        waste = torch.full(shape, float("nan"), dtype=like.dtype, device=like.device)
        del waste
    return call()


class _Run:
    """Worst ratios by what was tried, in units of eps·K'."""

    def __init__(self, context: Context) -> None:
        self.context, self.names = context, claimed(context.subject)
        self.worst: dict[str, tuple[float, float, str]] = {}

    def look(self, law: Law, n: int, spread: float = 1.0) -> Look:
        x = rows(law, n, self.context.seed, spread).to(self.context.dtype)
        return look_at(law.interpolant, law.t, x, self.context.seed % 2**31 + n)

    def note(self, what: str, value: float, bound: float = UNITS, why: str = WHY) -> None:
        self.worst[what] = (max(value, self.worst.get(what, (0.0,))[0]), bound, why)

    def compare(self, what: str, fields: dict, look: Look, x: Tensor | None = None) -> None:
        at = (look.x.clone() if x is None else x).to(self.context.device)
        for name in self.names:
            ours = _poisoned(lambda n=name: answer_of(fields, n, look, at), at)  # type: ignore[misc]
            self.note(what, ratio(ours, look.exact[name], look.scale[name]))

    def batches(self, fields: dict, look: Look) -> None:
        """A row alone and in other company, with its own vector; a call repeated after other calls."""
        x, v = look.x.to(self.context.device), look.v.to(self.context.device)
        for name in self.names:
            more = (v,) if name in PRODUCTS else ()
            if name not in (*PRODUCTS, "divergence"):
                continue
            whole = fields[name](look.t, x, *more)
            for part in (slice(0, 1), slice(5, 12), slice(30, 33)):
                own = fields[name](look.t, x[part], *(a[part] for a in more)).cpu()
                self.note(
                    "batch-size invariance",
                    ratio(own, whole[part].cpu().double(), look.scale[name][part]), 2 * UNITS, _TWICE,
                )  # fmt: skip
            fields[name](0.5 * look.t, x, *more)
            again = fields[name](look.t, x, *more).cpu()
            self.note("repeated calls", ratio(again, whole.cpu().double(), look.scale[name]), 2 * UNITS, _TWICE)


def _measure(context: Context) -> Outcome:
    run, left_out = _Run(context), []
    low, high = context.problem.t_span
    first = Law(context.problem.name, context.problem.interpolant, low + 0.5 * (high - low))
    laws = [first, paired(context.seed), uneven(context.seed), *shaped(context.seed, context.effort)]
    laws = [law for law in laws if law.interpolant.coupling.n_components * law.interpolant.dim**2 <= _LARGEST]
    taken: set[str] = set()
    refused: list[tuple[Law, Unavailable]] = []
    for law in laws:
        try:
            fields = context.implementation(law.interpolant, context.dtype, context.device)
            run.compare("ragged K and D", fields, run.look(law, 7))
        except Unavailable as error:
            refused.append((law, error))
            left_out.append(f"not taken: {law.name} ({error})")
            continue
        taken.add(kind_of(law))
        run.compare("far tails", fields, run.look(law, 7, _TAIL))
        if law is first:
            for n in ROWS[:3] if context.effort == 0 else ROWS:
                run.compare("ragged N", fields, run.look(law, n))
        if law is first or law.interpolant.dim == 7:
            look = run.look(law, 33)
            run.batches(fields, look)
            for view in layouts(look.x.to(context.device)).values():
                run.compare("strides and offsets", fields, look, view)
    if not taken:
        raise refused[0][1]
    partly = [law for law, _ in refused if kind_of(law) in taken]
    found = [
        Measurement(what, value, bound, origin="rounding", why=why, unit="eps·K'")
        for what, (value, bound, why) in run.worst.items()
    ]
    found.append(Measurement("laws refused in part", float(len(partly)), 0.0, origin="exact", why=_PARTLY))
    notes = [f"{len(laws) - len(left_out)} laws", *left_out]
    if "interpreter" in context.subject.tags:
        notes.append("interpreter: no statement about a GPU")
    return Outcome(tuple(found), (), tuple(notes))


CHECK = Check(
    name="kernel-derivatives",
    claim="A kernel's divergences and products with a vector are the closed form whatever the shape, stride, offset, "
    "batch, order of calls, content of fresh memory, distance and weight (MATH.md section 3)",
    scope={"standard": "dtype=float64"},
    kinds=frozenset({"field"}),
    measure=_measure,
    problems={
        "quick": "1d-tiny-weights",
        "standard": "1d-tiny-weights or correlated-mixture-2d",
        "full": "1d-tiny-weights or correlated-mixture-2d or one-sided-vp or mirror-2d",
    },
    applies=lambda subject, problem: "kernel" in subject.tags and bool(claimed(subject)),
    quick_dtypes=("float64",),
    tags=frozenset({"accuracy", "kernel", "derivatives"}),
    cost=2.0,
)
