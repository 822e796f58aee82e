"""Execute one case: load, guard, measure, judge. Whatever happens, the answer is one Result."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from analytic import problems
from si_verify.case import Case
from si_verify.check import Check, Context, Inapplicable
from si_verify.evidence import evidence
from si_verify.gate import Verdict, judge, judge_all, margin
from si_verify.guard import guard
from si_verify.lookup import find_check, find_subject
from si_verify.measurement import Measurement, Outcome
from si_verify.record import DataRow, Evidence, MeasurementRow, Result, plain
from si_verify.subject import Subject, SubjectError, Unavailable

DTYPES = {"float64": torch.float64, "float32": torch.float32}


def measurement_rows(measurements: Iterable[Measurement]) -> tuple[MeasurementRow, ...]:
    """Measurements with the gate's verdict and margin, as a record holds them."""
    return tuple(MeasurementRow(**dataclasses.asdict(m), verdict=judge(m), margin=margin(m)) for m in measurements)


def worst_reason(rows: tuple[MeasurementRow, ...]) -> str:
    """The first three failures in words, or what could not be decided."""
    failed = [r for r in rows if r.verdict is Verdict.FAILED] or [r for r in rows if r.verdict is Verdict.INCONCLUSIVE]
    return "; ".join(_sentence(r) for r in failed[:3])


def _sentence(row: MeasurementRow) -> str:
    sign = "≤" if row.relation == "at_most" else "≥"
    seen = f" (interval {row.interval[0]:.4g} to {row.interval[1]:.4g})" if row.interval else ""
    if row.verdict is Verdict.INCONCLUSIVE:
        width = f"; decides only within {row.resolution:.3g}" if row.resolution is not None else ""
        return f"{row.name} = {row.value:.4g}{seen} cannot decide {sign} {row.bound:.4g}{width}"
    return f"{row.name} = {row.value:.4g}{seen}, expected {sign} {row.bound:.4g} ({row.why or row.origin})"


def _mark(subject: Subject, case: Case, verdict: Verdict, reason: str) -> tuple[Verdict, str, str]:
    """Turn a failure that was expected into one with its reason, and a pass that was not into a failure."""
    expected = subject.expected_failure(case.check, case.problem, case.dtype)
    if expected is None:
        return verdict, reason, ""
    open_too = verdict is Verdict.INCONCLUSIVE and not expected.strict  # where it may pass, it may also be left open
    if verdict is Verdict.FAILED or open_too:
        return Verdict.EXPECTED_FAILURE, f"{expected.reason} [{reason}]", expected.link
    if verdict is Verdict.PASSED and expected.strict:
        return Verdict.UNEXPECTED_PASS, f"passed, but is marked as failing: {expected.reason}", expected.link
    return verdict, reason, expected.link


def _claims(subject: Subject) -> dict[str, Any]:
    fields = {f.name: getattr(subject.claims, f.name) for f in dataclasses.fields(subject.claims)}
    return {k: plain(sorted(v) if isinstance(v, frozenset) else v) for k, v in fields.items() if k != "extra"}


def _context(case: Case, subject: Subject) -> Context:
    problem = problems.get(case.problem)
    try:
        _ = problem.interpolant
    except ImportError as error:
        raise Unavailable(str(error)) from error
    return Context(
        subject=subject,
        problem=problem,
        implementation=guard(subject.kind, subject.load()),
        dtype=DTYPES[case.dtype],
        device=torch.device(case.device),
        seed=case.seed,
        alpha=case.alpha,
        profile=case.profile,
        run_seed=case.run_seed,
    )


def result_of(case: Case, verdict: Verdict, reason: str, **extra: Any) -> Result:
    """A result that did not come from a measurement: a crash, a timeout, a skip."""
    fields: dict[str, Any] = {
        "kind": case.target.kind if case.target else "",
        "reproduce": case.reproduce,
        **extra,
    }
    return Result(
        id=case.id, check=case.check, subject=case.subject, problem=case.problem, dtype=case.dtype,
        device=case.device, seed=case.seed, alpha=case.alpha, verdict=verdict, reason=reason, **fields,
    )  # fmt: skip


def run_case(case: Case, overlay: Mapping[str, Subject] | None = None) -> Result:
    """Measure and judge one case; never raises, except KeyboardInterrupt and SystemExit."""
    started = time.perf_counter()
    subject: Subject | None = None
    check: Check | None = None
    outcome = Outcome(())
    trace = ""
    proof: tuple[Evidence, ...] = ()
    try:
        check = find_check(case)
        subject = find_subject(case, overlay or {})
        context = _context(case, subject)
        proof = tuple(evidence(module) for module in subject.modules)
        outcome = check.measure(context)
        rows = measurement_rows(outcome.measurements)
        verdict = judge_all(outcome.measurements)
        reason = "" if verdict is Verdict.PASSED else worst_reason(rows) or "nothing was judged"
    except (Unavailable, Inapplicable) as error:
        rows, verdict, reason = (), Verdict.SKIPPED, str(error)
    except SubjectError as error:
        rows, verdict, reason = (), Verdict.FAILED, str(error)
        trace = traceback.format_exc(limit=-8)
    except Exception as error:
        rows, verdict, reason = (), Verdict.ERROR, f"the check itself broke: {type(error).__name__}: {error}"
        trace = traceback.format_exc(limit=-12)
    link = ""
    if subject is not None:
        verdict, reason, link = _mark(subject, case, verdict, reason)
    tags = sorted((subject.tags if subject else frozenset()) | (check.tags if check else frozenset()))
    return result_of(
        case, verdict, reason, link=link, claim=check.claim if check else "", measurements=rows,
        kind=subject.kind if subject else "", claims=_claims(subject) if subject else {},
        data=tuple(DataRow(kind=d.kind, title=d.title, columns=plain(dict(d.columns)), meta=plain(dict(d.meta)))
                   for d in outcome.data),
        notes=outcome.notes, tags=tuple(tags), seconds=time.perf_counter() - started, traceback=trace, evidence=proof,
    )  # fmt: skip
