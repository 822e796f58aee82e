"""Results of made-up solvers and fields: every verdict, every kind of Data."""

from __future__ import annotations

from si_verify.gate import Verdict
from si_verify.record import DataRow, Result
from tests.reports.builders import result, row
from tests.reports.synthetic_data import (
    convergence,
    error_vs_t,
    error_vs_tail,
    law,
    one_dimension,
    tolerance,
    two_dimensions,
)

ODE = (
    ("torch/euler", 1),
    ("torch/midpoint", 2),
    ("torch/heun", 2),
    ("torch/rk4", 4),
    ("torchdiffeq/euler", 1),
    ("torchdiffeq/rk4", 4),
    ("torchdiffeq/dopri5", 5),
    ("torchdiffeq/dopri8", 8),
    ("torchdiffeq/bosh3", 3),
    ("torchdiffeq/adaptive_heun", 2),
    ("torchdiffeq/fehlberg2", 2),
)
SDE = (
    ("torch/euler-maruyama", 1.0),
    ("torch/heun-sde", 1.0),
    ("torchsde/euler", 1.0),
    ("torchsde/srk", 1.5),
    ("torchsde/milstein", 1.0),
)
FIELDS = ("torch/eager", "torch/compiled", "cupy/eager")


def ode_results() -> list[Result]:
    out = []
    for i, (subject, order) in enumerate(ODE):
        for j, problem in enumerate(("bimodal-1d", "ring-2d", "digits")):
            bad = subject in ("torchdiffeq/dopri8", "torchdiffeq/bosh3")
            got = order - (0.9 if bad else 0)
            data: list[DataRow] = [convergence(got, 10 * i + j, order)]
            if problem == "bimodal-1d" and i < 3:
                data += one_dimension(i)
            if problem == "ring-2d" and i < 2:
                data += two_dimensions(i)
            m = row(
                name="fitted order",
                value=got,
                bound=order - 0.2,
                relation="at_least",
                origin="truncation",
                why=f"claimed order {order} less 0.2",
                interval=(got - 0.08, got + 0.11),
            )
            verdict = Verdict.FAILED if bad else Verdict.PASSED
            reason = (
                f"fitted order = {got:.3g}, expected ≥ {order - 0.2:.3g} (claimed order {order} less 0.2)"
                if bad
                else ""
            )
            out.append(
                result("order", subject, problem, verdict, "ode", data=tuple(data), measurements=(m,), reason=reason)
            )
        if "dopri" in subject or "bosh" in subject or "adaptive" in subject:
            ratio = 3e4 if "dopri8" in subject else 800.0 if "bosh3" in subject else 0.6
            m = row(
                name="error / tolerance", value=ratio, bound=10.0, origin="truncation", why="ten times the tolerance"
            )
            out.append(
                result(
                    "tolerance",
                    subject,
                    "bimodal-1d",
                    Verdict.FAILED if ratio > 10 else Verdict.PASSED,
                    "ode",
                    data=(tolerance(ratio),),
                    measurements=(m,),
                    reason=f"error / tolerance = {ratio:.4g}, expected ≤ 10 (ten times the tolerance)"
                    if ratio > 10
                    else "",
                )
            )
    return out


def sde_results() -> list[Result]:
    out = []
    verdicts = (Verdict.PASSED, Verdict.PASSED, Verdict.INCONCLUSIVE, Verdict.EXPECTED_FAILURE, Verdict.UNEXPECTED_PASS)
    reasons = (
        "",
        "",
        "energy distance = 0.004 (interval 0.001 to 0.03) cannot decide ≤ 0.01; decides only within 0.005",
        "SRK ignores the drift's time argument [mean = 0.03, expected ≤ 0.01 (sampling)]",
        "passed, but is marked as failing: diagonal noise is read as scalar",
    )
    for i, (subject, _) in enumerate(SDE):
        m = [
            row(
                name=n,
                value=0.004,
                bound=0.01,
                origin="sampling",
                why="z-quantile of the case's share of the budget",
                interval=(0.001, 0.006),
                confidence=1 - 1e-8,
                detectable=0.008,
            )
            for n in ("mean", "variance", "energy distance")
        ]
        out.append(
            result(
                "terminal-law",
                subject,
                "bimodal-1d",
                verdicts[i],
                "sde",
                reason=reasons[i],
                alpha=1e-8,
                link="https://github.com/google-research/torchsde/issues/1" if i > 2 else "",
                measurements=tuple(m),
                data=(law(1 + i, i), *one_dimension(i)),
                notes=("20,000 samples.",),
            )
        )
    return out


def field_results() -> list[Result]:
    out = []
    for i, subject in enumerate(FIELDS):
        for dtype in ("float64", "float32"):
            for problem in ("bimodal-1d", "far-modes", "tiny-variance"):
                if subject == "cupy/eager":
                    out.append(
                        result(
                            "pointwise",
                            subject,
                            problem,
                            Verdict.SKIPPED,
                            "field",
                            dtype=dtype,
                            reason="cupy is not installed: pip install cupy-cuda13x",
                        )
                    )
                    continue
                m = (row(name="score", value=4e-15, bound=2e-14, why="100·eps·cond"), row(name="worst t", value=1e-12))
                out.append(
                    result(
                        "pointwise",
                        subject,
                        problem,
                        Verdict.PASSED,
                        "field",
                        dtype=dtype,
                        measurements=m,
                        data=(error_vs_t(i), error_vs_tail(i)),
                    )
                )
    return out
