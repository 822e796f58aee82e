"""What breaks kernels and no formula: ragged shapes, strides, offsets, batches, stale memory, tails, weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from analytic.problems.problem import Problem
from si_verify.check import Check, Context
from si_verify.checks.field_pointwise import UNITS
from si_verify.checks.kernel_laws import ROWS, Law, kind_of, layouts, paired, poisoned, rows, shaped, uneven
from si_verify.fields.conditioning import sensitivity
from si_verify.fields.precision import why as also
from si_verify.fields.precision import widened
from si_verify.measurement import Measurement, Outcome
from si_verify.subject import Subject, Unavailable

_WHY = "100·eps·K, K the first-order sensitivity to rounding all inputs: as field-pointwise has it"
_TWICE = "200·eps·K: two answers, each within 100·eps·K of the exact one (field-pointwise)"
_PARTLY = (
    "a kernel may leave a kind of covariance to others; one that it takes, it takes whatever the shape and weights"
)
_LOOKED_AT = 48  # rows compared with the yardstick: the first, the last and those spread between them
_TAIL = 40.0  # standard deviations
_LARGE = 1000  # numbers (K, D) beyond which one look at a law is enough
_PLAIN = 33 * 7  # the shape that a quick run looks at from every side, besides the problem's own law

Fields = dict[str, Callable[..., Tensor]]


def _applies(subject: Subject, problem: Problem) -> bool:
    return "kernel" in subject.tags and bool(subject.claims.quantities)


@dataclass
class _Run:
    """Worst ratios by what was tried, in units of eps·K."""

    context: Context
    worst: dict[str, tuple[float, float, str]] = field(default_factory=dict)
    _scales: dict[tuple[str, int], dict[str, Tensor]] = field(default_factory=dict)

    def build(self, law: Law) -> Fields:
        return self.context.implementation(law.interpolant, self.context.dtype, self.context.device)  # type: ignore[no-any-return]

    def points(self, law: Law, n: int, spread: float = 1.0) -> Tensor:
        return rows(law, n, self.context.seed, spread).to(self.context.device, self.context.dtype)

    def note(self, name: str, gap: Tensor, scale: Tensor, bound: float = UNITS, why: str = _WHY) -> None:
        size = gap.abs() if gap.ndim == 1 else torch.linalg.vector_norm(gap, dim=1)
        size = size.cpu().double()
        ratio = torch.where(size == 0, 0.0, size / (torch.finfo(self.context.dtype).eps * scale))
        value = float(torch.where(torch.isnan(ratio), torch.inf, ratio).max())
        self.worst[name] = (max(value, self.worst.get(name, (0.0,))[0]), bound, why)

    def scales(self, law: Law, x: Tensor) -> dict[str, Tensor]:
        """The sensitivities at x; once for the same numbers, whatever their layout."""
        key = (law.name, hash(x.cpu().numpy().tobytes()))
        if key not in self._scales:
            scale = sensitivity(law.interpolant, law.t, x, self.context.generator(1))
            claimed, unit = self.context.subject.claims.extra, UNITS * torch.finfo(self.context.dtype).eps
            self._scales[key] = widened(claimed, scale, law.interpolant, law.t, x, unit)
        return self._scales[key]

    def against_yardstick(self, names: str | tuple[str, ...], law: Law, fields: Fields, x: Tensor) -> None:
        """Every quantity at x, from poisoned memory, compared at some of the rows; one name for each share of them."""
        look = torch.linspace(0, len(x) - 1, min(len(x), _LOOKED_AT)).round().long()
        some = x[look.to(x.device)]
        scale = self.scales(law, some)
        shares = (names,) if isinstance(names, str) else names
        for quantity in self.context.subject.claims.quantities:
            ours = poisoned(lambda q=quantity: fields[q](law.t, x), x)  # type: ignore[misc]
            gap = ours[look.to(ours.device)].double() - getattr(law.interpolant, quantity)(law.t, some.double())
            for name, g, k in zip(shares, gap.chunk(len(shares)), scale[quantity].chunk(len(shares)), strict=True):
                self.note(name, g, k)


def _ragged_rows(run: _Run, law: Law, fields: Fields) -> None:
    for n in ROWS:
        run.against_yardstick("ragged N", law, fields, run.points(law, n))


def _layouts(run: _Run, law: Law, fields: Fields) -> None:
    x = run.points(law, 33)
    for view in layouts(x).values():
        run.against_yardstick("strides and offsets", law, fields, view)


def _batches(run: _Run, law: Law, fields: Fields) -> None:
    x = run.points(law, 130)
    scale = run.scales(law, x)
    for quantity in run.context.subject.claims.quantities:
        whole = fields[quantity](law.t, x)
        for part in (slice(0, 1), slice(31, 38), slice(60, 129), slice(129, 130)):
            gap = fields[quantity](law.t, x[part]) - whole[part]
            run.note("batch-size invariance", gap, scale[quantity][part], 2 * UNITS, _TWICE)


def _again(run: _Run, law: Law, fields: Fields) -> None:
    """The same call before and after calls at another time, with other points, and with a time a row."""
    x, other = run.points(law, 33), run.points(law, 20)
    scale, times = run.scales(law, x), torch.full((33,), law.t, dtype=x.dtype, device=x.device)
    # Both calls round t alike only where it is exact: a float32 time is another time.
    same_time = float(times[0]) == law.t
    for quantity in run.context.subject.claims.quantities:
        f = fields[quantity]
        first = f(law.t, x)
        f(law.t, other)
        f(0.5 * law.t, x)
        run.note("repeated calls", f(law.t, x) - first, scale[quantity], 2 * UNITS, _TWICE)
        if same_time:
            run.note("a time a row", f(times, x) - first, scale[quantity], 2 * UNITS, _TWICE)


def _measure(context: Context) -> Outcome:
    run, left_out = _Run(context), []
    low, high = context.problem.t_span
    first = Law(context.problem.name, context.problem.interpolant, low + 0.5 * (high - low))
    laws = [first, paired(context.seed), uneven(context.seed), *shaped(context.seed, context.effort)]
    taken: set[str] = set()
    refused: list[tuple[Law, Unavailable]] = []
    for law in laws:
        try:
            fields = run.build(law)
            if law is first:
                _ragged_rows(run, law, fields)
            near, far = run.points(law, 7), run.points(law, 7, _TAIL)
            run.against_yardstick(("ragged K and D", "far tails"), law, fields, torch.cat([near, far]))
        except Unavailable as error:
            refused.append((law, error))
            left_out.append(f"not taken: {law.name} ({error})")
            continue
        taken.add(kind_of(law))
        if law.name.startswith("weights"):
            run.against_yardstick("extreme weights", law, fields, run.points(law, 21, 0.5))
        size = law.interpolant.coupling.n_components * law.interpolant.dim
        if context.effort or size == _PLAIN or law is first:
            for look in (_layouts, _batches, _again) if size < _LARGE else ():
                look(run, law, fields)
    if not taken:
        raise refused[0][1]
    partly = [law for law, _ in refused if kind_of(law) in taken]
    notes = [f"{len(laws) - len(left_out)} laws", *left_out]
    if "interpreter" in context.subject.tags:
        notes.append("interpreter: no statement about a GPU")
    return Outcome(
        (
            *(
                Measurement(
                    name=name,
                    value=value,
                    bound=bound,
                    origin="rounding",
                    why=why + also(context.subject.claims.extra),
                    unit="eps·K",
                )
                for name, (value, bound, why) in run.worst.items()
            ),
            Measurement("laws refused in part", float(len(partly)), 0.0, origin="exact", why=_PARTLY),
        ),
        (),
        tuple(notes),
    )


CHECK = Check(
    name="kernel-robustness",
    claim="A kernel gives the closed form whatever the shape, stride, offset, batch, order of calls, content of fresh "
    "memory, distance and weight; and a point's answer is its own (arXiv:2303.08797, Theorem 6)",
    # What gives derivatives too is looked at by kernel-derivatives.
    scope={"standard": "not */derivatives and (1d-tiny-weights, not torch/fields-compiled)"},
    kinds=frozenset({"field"}),
    measure=_measure,
    problems={
        "quick": "1d-tiny-weights",
        "standard": "1d-tiny-weights or correlated-mixture-2d or one-sided-vp",
        "full": "1d-tiny-weights or correlated-mixture-2d or one-sided-vp or mirror-2d or gaussian-8d",
    },
    applies=_applies,
    quick_dtypes=("float64",),
    tags=frozenset({"accuracy", "kernel"}),
    cost=1.5,
)
