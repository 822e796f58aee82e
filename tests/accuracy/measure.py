"""One case measured: every field of the code under test against the oracle, in units of its own condition."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analytic import FieldUndefinedError
from analytic.oracle import FIELDS, SCALAR_FIELDS, VECTOR_FIELDS, Arithmetic, Oracle, Point, fastest
from tests.accuracy.condition import coefficients, condition
from tests.cases import Case, CaseSpec, build

ALLOWED = 100.0
"""The claim: |f̂ − f| ≤ ALLOWED · eps · cond · |f| (issue 2, section 1)."""

COORDINATES = 4  # up to this dimension every component is compared, beyond it random sign combinations
PROBES = 3

Evaluate = Callable[[Case, str], np.ndarray]
"""(case, field) -> the field at the case's one point, flat; FieldUndefinedError where it does not exist."""


@dataclass(frozen=True)
class Finding:
    """One field of one case. ratio = error / (eps · cond · |f|), to be at most ALLOWED."""

    field: str
    verdict: str  # ok | inaccurate | not_finite | undefined | missing_error | spurious_error | out_of_range
    ratio: float = 0.0
    error: float = 0.0
    size: float = 0.0
    cond: float = 0.0
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.verdict in ("ok", "undefined", "out_of_range")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def yardstick(case: Case, field: str) -> np.ndarray:
    """`analytic.Interpolant`, the code under test; odd seeds give t as an array."""
    t: Any = np.asarray([case.spec.t]) if case.spec.seed % 2 else case.spec.t
    value = getattr(case.interpolant, field)(t, case.x[None])
    if value.dtype != case.x.dtype:
        raise AssertionError(f"{field}: expected dtype {case.x.dtype} as x has, got {value.dtype}")
    return np.reshape(value, (-1,))


def measure(
    spec: CaseSpec,
    evaluate: Evaluate = yardstick,
    fields: Sequence[str] = FIELDS,
    arithmetic: Arithmetic | None = None,
) -> list[Finding]:
    """All findings of a case, in the order of `fields`."""
    case = build(spec)
    oracle = Oracle(case.mixture, case.path, arithmetic or fastest())
    x = [float(v) for v in case.x]
    reasons = oracle.reasons(fields, spec.t, x) if oracle.doubtful(spec.t) else {}
    live = [field for field in fields if not reasons.get(field)]
    findings = {}
    if live:
        a, point = oracle.at(spec.t, x)
        with a.session():
            sizes = condition(case.mixture, case.x, coefficients(point), case.tied, spec.seed)
            for field in live:
                findings[field] = _compare(case, a, point, field, evaluate, sizes[field])
    for field in fields:
        if field not in findings:
            findings[field] = _undefined(case, field, evaluate, str(reasons[field]))
    return [findings[field] for field in fields]


def _undefined(case: Case, field: str, evaluate: Evaluate, reason: str) -> Finding:
    try:
        value = evaluate(case, field)
    except FieldUndefinedError as error:
        return Finding(field, "undefined", note=str(error))
    return Finding(field, "missing_error", note=f"got {value[:3]} where the field does not exist: {reason}")


def _compare(case: Case, a: Any, point: Point, field: str, evaluate: Evaluate, size: float) -> Finding:
    limits = np.finfo(case.spec.dtype)
    try:
        with np.errstate(over="ignore"):
            value = np.asarray(evaluate(case, field))
    except FieldUndefinedError as error:
        return Finding(field, "spurious_error", note=str(error))
    norm2, error2 = a.number(0), a.number(0)
    probes = _probes(case, field)
    if size * float(limits.eps) * ALLOWED > float(limits.max):
        return Finding(field, "out_of_range", note="the bound exceeds the largest number of the dtype")
    finite = bool(np.all(np.isfinite(value)))
    numbers = [a.number(float(v)) for v in value] if finite else []
    worst = a.number(0)
    for exact, weights in probes(point):
        norm2 += exact * exact
        if abs(exact) > worst:
            worst = abs(exact)
        if finite:
            got = sum((w * n for w, n in zip(weights, numbers, strict=True) if w), a.number(0))
            error2 = max(error2, (got - exact) ** 2) if probes.random else error2 + (got - exact) ** 2
    norm = float(a.sqrt(norm2 / PROBES if probes.random else norm2))
    if not finite:
        # A value that the dtype cannot hold is rightly infinite; anything smaller is not.
        verdict = "out_of_range" if float(worst) > 0.5 * float(limits.max) / case.spec.dim else "not_finite"
        return Finding(field, verdict, size=norm, note=f"got {value[:3]}")
    error = float(a.sqrt(error2))
    # Below the normal range the spacing is absolute. Where a path has a kink or an end, the oracle's differences
    # leave 10^−60 of the inputs' size, times a few condition numbers, instead of zero.
    reach = max(1.0, float(np.max(np.abs(case.x))), float(np.max(np.abs([case.mixture.mean0, case.mixture.mean1]))))
    floor = float(limits.smallest_subnormal) * len(value) + 1e-40 * reach
    ratio = max(0.0, error - floor) / (float(limits.eps) * size) if size > 0 else (0.0 if error <= floor else np.inf)
    verdict = "ok" if ratio <= ALLOWED else "inaccurate"
    return Finding(field, verdict, float(ratio), error, norm, size / norm if norm > 0 else 1.0)


@dataclass(frozen=True)
class _Probes:
    """Linear functionals of a field and their exact values, one after the other."""

    case: Case
    field: str

    @property
    def random(self) -> bool:
        """Sign combinations v·f stand for |f|: E (v·e)² = |e|² over signs v. Else: every component."""
        return self.case.spec.dim > COORDINATES and self.field not in SCALAR_FIELDS

    def _vectors(self, salt: int) -> list[np.ndarray]:
        dim = self.case.spec.dim
        if not self.random:
            return list(np.eye(dim))
        rng = np.random.default_rng((self.case.spec.seed, 2, salt))
        return list(rng.integers(0, 2, size=(PROBES, dim)) * 2.0 - 1.0)

    def __call__(self, point: Point) -> Any:
        if self.field in SCALAR_FIELDS:
            yield getattr(point, self.field)(), [1.0]
            return
        left = self._vectors(0)
        if self.field in VECTOR_FIELDS:
            for u in left:
                yield point.component(self.field, u), u.tolist()
            return
        right = self._vectors(1)
        pairs = zip(left, right, strict=True) if self.random else ((u, v) for u in left for v in right)
        for u, v in pairs:
            yield point.jacobian(u, v), np.outer(u, v).reshape(-1).tolist()


def _probes(case: Case, field: str) -> _Probes:
    return _Probes(case, field)


def timed(spec: CaseSpec) -> tuple[list[Finding], float]:
    """`measure` and its seconds."""
    start = time.perf_counter()
    return measure(spec), time.perf_counter() - start
