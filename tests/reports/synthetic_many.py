"""A record as large as the report must bear."""

from __future__ import annotations

from si_verify.gate import Verdict
from si_verify.record import Record
from tests.reports.builders import header, result, row
from tests.reports.synthetic import record
from tests.reports.synthetic_data import convergence


def many(count: int) -> Record:
    """``count`` results of 50 subjects on 10 checks; every tenth brings a convergence curve, every hundredth failed."""
    results = []
    for i in range(count):
        subject, check, problem = f"library{i % 5}/solver-{i % 50}", f"check-{i // 50 % 10}", f"problem-{i // 500}"
        bad = i % 100 == 7
        rows = tuple(
            row(name=n, value=2.0 if bad else 0.1 + i * 1e-6, bound=1.0, why="claimed order less its interval")
            for n in ("forward", "backward")
        )
        results.append(
            result(check, subject, problem, Verdict.FAILED if bad else Verdict.PASSED, "ode", measurements=rows,
                   reason="forward = 2, expected ≤ 1" if bad else "",
                   data=(convergence(2.0, i % 7, 2.0),) if i % 10 == 0 else ())
        )  # fmt: skip
    return record(results=results)


def commits() -> list[Record]:
    """Records of six commits: from the fourth on a number is five times what it was, and over its bound."""
    made = []
    for i in range(6):
        bad = i >= 3
        worse = row(name="error", value=5.0 if bad else 1.0, bound=2.0, origin="truncation")
        steady = row(name="steady", value=0.5, bound=1.0, origin="truncation")
        verdict = Verdict.FAILED if bad else Verdict.PASSED
        case = result("order", "lib/heun", "ring-2d", verdict, "ode", measurements=(worse, steady))
        made.append(
            Record(header=header(1, commit=f"c{i}", created=f"2026-11-{i + 1:02d}T10:00:00+00:00"), results=(case,))
        )
    return made
