"""A synthetic record for the report's tests: every verdict, every kind of Data, and names that mean harm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from si_verify.gate import Verdict, judge, margin
from si_verify.measurement import Measurement
from si_verify.record import DataRow, Evidence, Header, MeasurementRow, Record, Result

HOSTILE = (
    "<script>window.pwned=1</script>",
    "</script><img src=https://evil.example/x onerror=alert(1)>",
    "../../../../etc/passwd",
    "bell\x07 esc\x1b[31m nul\x00 rtl\u202egnp.exe",
    "\"'`{{7*7}}{% raw %}${1+1}<!--",
)
HOSTILE_LINK = "javascript:alert(document.domain)"

ODE = (("torch/euler", 1), ("torch/midpoint", 2), ("torch/heun", 2), ("torch/rk4", 4), ("torchdiffeq/euler", 1),
       ("torchdiffeq/rk4", 4), ("torchdiffeq/dopri5", 5), ("torchdiffeq/dopri8", 8), ("torchdiffeq/bosh3", 3),
       ("torchdiffeq/adaptive_heun", 2), ("torchdiffeq/fehlberg2", 2))  # fmt: skip
SDE = (("torch/euler-maruyama", 1.0), ("torch/heun-sde", 1.0), ("torchsde/euler", 1.0), ("torchsde/srk", 1.5), ("torchsde/milstein", 1.0))
FIELDS = ("torch/eager", "torch/compiled", "cupy/eager")
CHECKS = {
    "pointwise": "The field agrees with the closed form at every point, to rounding times its condition.",
    "order": "The global error falls as h^p with the order p that the solver claims.",
    "tolerance": "An adaptive solver gives the accuracy that it was asked for.",
    "terminal-law": "The law at t = 1 agrees with the closed form (moments and a two-sample test).",
}


def header(planned: int, **changes: Any) -> Header:
    """A header as a run on a laptop would write it."""
    return Header(
        **{
            "created": "2026-11-21T11:40:02+00:00", "command": "si-verify run --profile quick --device cpu", "profile": "quick",
            "seed": 0, "device": "cpu", "budget": 1e-6, "planned": planned, "commit": "18fb036a2b41",
            "machine": {"platform": "Linux-6.8-x86_64", "python": "3.11.9", "cpu": "Intel(R) Xeon(R) CPU @ 2.60GHz", "cores": 2,
                        "memory_gib": 15.6, "torch_threads": 1},
            "versions": {"torch": "2.13.0", "numpy": "2.3.1", "torchdiffeq": "0.2.5", "torchsde": "0.2.6", "si-verify": "0.1.0"},
        } | changes
    )  # fmt: skip


def row(**fields: Any) -> MeasurementRow:
    """A measurement, judged as a run judges it."""
    m = Measurement(**fields)
    return MeasurementRow(**vars(m), verdict=judge(m), margin=margin(m))


def result(check: str, subject: str, problem: str, verdict: Verdict, kind: str, **fields: Any) -> Result:
    """A result with the fields that every run fills in."""
    dtype = fields.pop("dtype", "float64")
    return Result(
        **{
            "id": f"{check}/{subject}/{problem}/{dtype}", "check": check, "claim": CHECKS.get(check, ""), "subject": subject,
            "kind": kind, "problem": problem, "dtype": dtype, "device": "cpu", "seed": 4611686018427387904, "verdict": verdict,
            "seconds": 0.31, "tags": (kind, "cpu"), "claims": {"order": 2, "adaptive": False},
            "reproduce": f"si-verify run --select 'check={check} and problem={problem} and subject={subject}' --profile quick "
                         f"--dtype {dtype} --device cpu --seed 0",
            "evidence": (Evidence(module=subject.split("/")[0], path="/venv/x.py", version="1.0", sha256="ab" * 32),),
        } | fields
    )  # fmt: skip


def convergence(order: float, seed: int, claimed: float | None) -> DataRow:
    """Errors of a method of this order with a rounding floor."""
    n = [4, 8, 16, 32, 64, 128, 256]
    noise = np.random.default_rng(seed)
    floor = 3e-14
    errors = [max(0.3 * (1 / k) ** order, floor) * float(np.exp(noise.normal(0, 0.08))) for k in n]
    columns = {"step": [1 / k for k in n], "n": n, "error": errors, "used": [e > 5 * floor for e in errors]}
    meta = {"claimed": claimed, "order": order + 0.03, "low": order - 0.08, "high": order + 0.11, "floor": floor}
    return DataRow(kind="convergence", title="Order of convergence", columns=columns, meta=meta)


def error_vs_t(seed: int) -> DataRow:
    """Errors that grow towards both ends of the path."""
    u = np.linspace(-12, 12, 49)
    t = 1 / (1 + 10.0**-u)
    error = 2e-16 * (1 + np.abs(u)) * np.exp(np.random.default_rng(seed).normal(0, 0.4, u.size))
    return DataRow(kind="error-vs-t", title="Error of the score against t", meta={"quantity": "score"},
                   columns={"t": t.tolist(), "error": error.tolist(), "bound": (4e-15 * (1 + np.abs(u))).tolist()})  # fmt: skip


def error_vs_tail(seed: int) -> DataRow:
    """Scattered errors out to forty standard deviations."""
    rng = np.random.default_rng(seed)
    d = rng.uniform(0, 40, 300)
    error = 2e-16 * np.exp(0.04 * d + rng.normal(0, 0.7, d.size))
    return DataRow(kind="error-vs-tail", title="Error of the score into the tail", meta={"quantity": "score"},
                   columns={"distance": d.tolist(), "error": error.tolist(), "bound": [2e-14] * 300})  # fmt: skip


def tolerance(ratio: float) -> DataRow:
    """An adaptive solver whose error is ``ratio`` times what it was asked for."""
    rtol = [10.0**-k for k in range(3, 11)]
    columns = {"rtol": rtol, "error": [ratio * r**0.97 for r in rtol], "evaluations": [14 * k * k for k in range(3, 11)],
               "bound": [10 * r for r in rtol]}  # fmt: skip
    return DataRow(kind="tolerance", title="Error against tolerance", columns=columns, meta={"atol": 1e-9})


def _mixture(x: np.ndarray, t: float) -> np.ndarray:
    s = math.sqrt(1 - 0.75 * t)
    return sum(0.5 * np.exp(-0.5 * ((x - 3 * t * k) / s) ** 2) / (s * math.sqrt(2 * math.pi)) for k in (-1, 1))


def one_dimension(seed: int) -> tuple[DataRow, DataRow]:
    """A path from one mode to two: paths and marginals."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-6, 6, 121)
    density: dict[str, list[Any]] = {"t": [], "x": [], "exact": [], "sampled": []}
    for t in (0.0, 0.25, 0.5, 0.75, 1.0):
        exact = _mixture(x, t)
        density["t"] += [t] * x.size
        density["x"] += x.tolist()
        density["exact"] += exact.tolist()
        density["sampled"] += (exact * np.exp(rng.normal(0, 0.12, x.size))).tolist()
    times = np.linspace(0, 1, 41)
    paths: dict[str, list[Any]] = {"path": [], "t": [], "x": []}
    for p, z in enumerate(rng.normal(size=48)):
        side = 1 if z > 0 else -1
        paths["path"] += [p] * times.size
        paths["t"] += times.tolist()
        paths["x"] += (z * np.sqrt(1 - 0.75 * times) + 3 * side * times**1.5).tolist()
    return (DataRow(kind="trajectories-1d", title="Trajectories", columns=paths),
            DataRow(kind="density-1d", title="Marginals", columns=density))  # fmt: skip


def two_dimensions(seed: int) -> tuple[DataRow, DataRow, DataRow]:
    """A ring of eight modes: grid, samples, paths."""
    rng = np.random.default_rng(seed)
    g = np.linspace(-5, 5, 40)
    X, Y = np.meshgrid(g, g)
    modes = [(3.5 * math.cos(k * math.pi / 4), 3.5 * math.sin(k * math.pi / 4)) for k in range(8)]
    grid: dict[str, list[Any]] = {"t": [], "x": [], "y": [], "exact": []}
    dots: dict[str, list[Any]] = {"t": [], "x": [], "y": []}
    for t in (0.0, 0.5, 1.0):
        s = math.sqrt((1 - t) ** 2 + 0.15 * t**2)
        rho = sum(np.exp(-0.5 * ((X - t * a) ** 2 + (Y - t * b) ** 2) / s**2) for a, b in modes) / (16 * math.pi * s**2)
        for name, values in (("t", np.full(X.size, t)), ("x", X.ravel()), ("y", Y.ravel()), ("exact", rho.ravel())):
            grid[name] += values.tolist()
        centre = np.array(modes)[rng.integers(0, 8, 300)] * t
        for name, values in (("t", np.full(300, t)), *zip("xy", (centre + s * rng.normal(size=(300, 2))).T, strict=True)):
            dots[name] += values.tolist()
    times = np.linspace(0, 1, 31)
    paths: dict[str, list[Any]] = {"path": [], "t": [], "x": [], "y": []}
    for p in range(40):
        start, end = rng.normal(size=2), np.array(modes[p % 8]) + 0.3 * rng.normal(size=2)
        along = start[None] * (1 - times[:, None]) ** 1.3 + end[None] * times[:, None] ** 1.7
        for name, values in (("path", np.full(31, p)), ("t", times), ("x", along[:, 0]), ("y", along[:, 1])):
            paths[name] += values.tolist()
    return (DataRow(kind="density-2d", title="Marginals", columns=grid), DataRow(kind="samples-2d", title="Samples", columns=dots),
            DataRow(kind="trajectories-2d", title="Trajectories", columns=paths))  # fmt: skip


def law(scale: float, seed: int) -> DataRow:
    """Five statistics of a terminal law."""
    rng = np.random.default_rng(seed)
    columns = {"statistic": ["mean", "variance", "skewness", "energy distance", "Kolmogorov–Smirnov"],
               "value": (0.004 * scale * rng.uniform(0.2, 1, 5)).tolist(), "bound": [0.01] * 5,
               "detectable": [0.006, 0.008, 0.02, 0.011, None]}  # fmt: skip
    return DataRow(kind="law", title="Terminal law", columns=columns)


def _ode_results() -> list[Result]:
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
            m = row(name="fitted order", value=got, bound=order - 0.2, relation="at_least", origin="truncation",
                    why=f"claimed order {order} less 0.2", interval=(got - 0.08, got + 0.11))  # fmt: skip
            verdict = Verdict.FAILED if bad else Verdict.PASSED
            reason = f"fitted order = {got:.3g}, expected ≥ {order - 0.2:.3g} (claimed order {order} less 0.2)" if bad else ""
            out.append(result("order", subject, problem, verdict, "ode", data=tuple(data), measurements=(m,), reason=reason))
        if "dopri" in subject or "bosh" in subject or "adaptive" in subject:
            ratio = 3e4 if "dopri8" in subject else 800.0 if "bosh3" in subject else 0.6
            m = row(name="error / tolerance", value=ratio, bound=10.0, origin="truncation", why="ten times the tolerance")
            out.append(result("tolerance", subject, "bimodal-1d", Verdict.FAILED if ratio > 10 else Verdict.PASSED, "ode",
                              data=(tolerance(ratio),), measurements=(m,),
                              reason=f"error / tolerance = {ratio:.4g}, expected ≤ 10 (ten times the tolerance)" if ratio > 10 else ""))  # fmt: skip
    return out


def _sde_results() -> list[Result]:
    out = []
    verdicts = (Verdict.PASSED, Verdict.PASSED, Verdict.INCONCLUSIVE, Verdict.EXPECTED_FAILURE, Verdict.UNEXPECTED_PASS)
    reasons = ("", "", "energy distance = 0.004 (interval 0.001 to 0.03) cannot decide ≤ 0.01; decides only within 0.005",
               "SRK ignores the drift's time argument [mean = 0.03, expected ≤ 0.01 (sampling)]",
               "passed, but is marked as failing: diagonal noise is read as scalar")  # fmt: skip
    for i, (subject, _) in enumerate(SDE):
        m = [row(name=n, value=0.004, bound=0.01, origin="sampling", why="z-quantile of the case's share of the budget",
                 interval=(0.001, 0.006), confidence=1 - 1e-8, detectable=0.008) for n in ("mean", "variance", "energy distance")]  # fmt: skip
        out.append(result("terminal-law", subject, "bimodal-1d", verdicts[i], "sde", reason=reasons[i], alpha=1e-8,
                          link="https://github.com/google-research/torchsde/issues/1" if i > 2 else "",
                          measurements=tuple(m), data=(law(1 + i, i), *one_dimension(i)), notes=("20,000 samples.",)))  # fmt: skip
    return out


def _field_results() -> list[Result]:
    out = []
    for i, subject in enumerate(FIELDS):
        for dtype in ("float64", "float32"):
            for problem in ("bimodal-1d", "far-modes", "tiny-variance"):
                if subject == "cupy/eager":
                    out.append(result("pointwise", subject, problem, Verdict.SKIPPED, "field", dtype=dtype,
                                      reason="cupy is not installed: pip install cupy-cuda13x"))  # fmt: skip
                    continue
                m = (row(name="score", value=4e-15, bound=2e-14, why="100·eps·cond"), row(name="worst t", value=1e-12))
                out.append(result("pointwise", subject, problem, Verdict.PASSED, "field", dtype=dtype, measurements=m,
                                  data=(error_vs_t(i), error_vs_tail(i))))  # fmt: skip
    return out


def hostile_results() -> list[Result]:
    """Results whose every text wants to be something else than text."""
    out = []
    for i, text in enumerate(HOSTILE):
        data = (
            DataRow(kind=text, title=text, columns={text: [text, 1.0, None], "plain": [1, 2, 3]}, meta={text: text}),
            DataRow(kind="convergence", title=text, columns={"step": ["a", None, 0.1], "error": [text, -1.0, 0.0]},
                    meta={"x_label": text, "label": text, "order": text}),
            DataRow(kind="law", title=text, columns={"value": [1.0]}),
        )  # fmt: skip
        bad = row(name=text, value=math.nan, bound=1.0, why=text, unit=text)
        out.append(result(text, text, text, Verdict.ERROR if i % 2 else Verdict.FAILED, text, reason=text, link=HOSTILE_LINK,
                          claim=text, reproduce=text, traceback=text, notes=(text,), tags=(text,), claims={text: text},
                          measurements=(bad,), data=data, seed=i))  # fmt: skip
    return out


def record(hostile: bool = True, results: Sequence[Result] | None = None, planned: int | None = None, damaged: int = 0) -> Record:
    """The record; ``results`` replaces the synthetic ones."""
    if results is None:
        results = [*_ode_results(), *_sde_results(), *_field_results(), *(hostile_results() if hostile else [])]
        results.append(result("order", "torch/broken", "ring-2d", Verdict.ERROR, "ode", traceback="Traceback:\n  ValueError: x\n",
                              reason="the check itself broke: ValueError: x"))  # fmt: skip
    return Record(header=header(len(results) if planned is None else planned), results=tuple(results), damaged=damaged)


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from reports.render import render

    Path(sys.argv[1]).write_text(render([record(hostile="--hostile" in sys.argv)]), encoding="utf-8")
