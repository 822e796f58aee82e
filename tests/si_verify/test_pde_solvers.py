"""Every density solver on a small problem, and what the guard, the checks and the Python face make of wrong ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import pytest
import torch

from analytic import problems
from si_verify import discovery
from si_verify.api_pde import check_density_solver
from si_verify.case import Case
from si_verify.density.cases import box, density_case
from si_verify.density.claims import density_claims
from si_verify.density.errors import distances
from si_verify.density.particles import ParticleProblem
from si_verify.density.problem import DensityProblem
from si_verify.execute import run_case
from si_verify.fields.mixture import held
from si_verify.gate import Verdict
from si_verify.guard import guard
from si_verify.subject import Subject, SubjectError
from si_verify.subjects.pde import muscl, upwind

Tensor = torch.Tensor
# Those of a GPU have tests of their own (kernels/test_cuda_stencil.py): the problems here lie on the CPU.
BUILT_IN = [s for s in discovery.subjects().values() if s.kind == "pde" and "cuda" not in s.tags]
ON_GRID = [s for s in BUILT_IN if density_claims(s).on_grid]
# L1 error at t = 1 on 96 cells of 1d-bimodal, forward, diffusion varying; a little above what each scheme measures.
KNOWN = {
    "pde/upwind": 0.15, "pde/muscl": 0.012, "pde/weno5": 6e-4, "pde/scharfetter-gummel": 0.06,
    "pde/chang-cooper": 0.13, "pde/tr-bdf2": 0.06, "pde/implicit-diffusion": 0.012, "pde/semi-lagrangian": 6e-3,
    "pde/fourier": 4e-6, "pde/fused": 0.05, "pde/fused-blocked": 0.05, "pde/fused-tr-bdf2": 0.05,
    "pde/fused-rkl2": 0.05,
}  # fmt: skip


def _problem(form: str, amount: str = "varying", direction: str = "forward", cells: int = 96) -> DensityProblem:
    case = density_case(problems.get("1d-bimodal"), amount, direction)  # type: ignore[arg-type]
    return case.on(box(case.problem, cells), form, torch.float64)


@pytest.mark.parametrize("subject", ON_GRID, ids=lambda s: s.name)
def test_error_is_what_it_was(subject: Subject) -> None:
    claims = density_claims(subject)
    problem = _problem(claims.form)
    case = density_case(problems.get("1d-bimodal"), "varying")
    answer = guard("pde", subject.load())(problem, [0.0, 0.5, 1.0])
    exact = case.exact(problem.grid, 1.0, claims.form)
    error = distances(answer[-1], exact, problem.grid)["L1"]
    assert error <= KNOWN[subject.name]
    assert error > 0.1 * KNOWN[subject.name]


@pytest.mark.parametrize("subject", ON_GRID, ids=lambda s: s.name)
@pytest.mark.parametrize("dim", [2, 3])
def test_more_dimensions(subject: Subject, dim: int) -> None:
    """A few steps in two and three dimensions are the product of one-dimensional ones up to the scheme's error."""
    claims = density_claims(subject)
    if dim not in claims.dims:
        pytest.skip(f"it does not claim {dim} dimensions")
    problem = problems.get({2: "product-2d", 3: "product-3d"}[dim])
    case = density_case(problem, claims.amounts()[0], span=(0.5, 0.53))
    grid = box(problem, {2: 48, 3: 32}[dim])
    answer = guard("pde", subject.load())(case.on(grid, claims.form, torch.float64), [0.5, 0.53])
    exact = [case.exact(grid, t, claims.form) for t in (0.5, 0.53)]
    moved = distances(exact[0], exact[1], grid)["L1"]
    assert distances(answer[-1], exact[1], grid)["L1"] < 0.6 * moved
    if claims.conservative:
        assert abs(float((answer[1] - answer[0]).sum())) * grid.volume < 1e-12


@pytest.mark.parametrize("name", ["pde/upwind", "pde/chang-cooper", "pde/weno5"])
def test_float32_stays_float32(name: str) -> None:
    subject = discovery.subjects()[name]
    case = density_case(problems.get("1d-bimodal"), "varying")
    problem = case.on(box(case.problem, 48), density_claims(subject).form, torch.float32)
    answer = guard("pde", subject.load())(problem, [0.0, 0.5])
    assert answer.dtype == torch.float32
    assert abs(float((answer[1] - answer[0]).sum())) * problem.grid.volume < 4096 * torch.finfo(torch.float32).eps


def _wrong_shape(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    return upwind.solve(problem, times)[-1]


def _wrong_dtype(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    return upwind.solve(problem, times).to(torch.float32)


def _overwrites(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    problem.initial.mul_(0.5)
    return upwind.solve(problem, times)


def _raises(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    raise IndexError("no such cell")


@pytest.mark.parametrize(
    ("solve", "message"),
    [(_wrong_shape, "shape"), (_wrong_dtype, "dtype"), (_overwrites, "changed its input"), (_raises, "no such cell")],
)
def test_guard_turns_breaches_into_failures(solve: Callable[..., Tensor], message: str) -> None:
    with pytest.raises(SubjectError, match=message):
        guard("pde", solve)(_problem("averages", cells=32), [0.0, 0.1])


def test_guard_looks_into_pairs() -> None:
    fields = held(problems.get("1d-bimodal"), torch.device("cpu"))
    x = torch.zeros(3, 1, dtype=torch.float64)
    problem = ParticleProblem(x, x[:, 0], lambda t: 0.1, fields.all, lambda t, x: x[:, 0])
    with pytest.raises(SubjectError, match="log density"):
        guard("pde", lambda p, times: (p.initial, p.initial))(problem, [0.0, 1.0])
    with pytest.raises(SubjectError, match="log density"):
        guard("pde", lambda p, times: p.initial)(problem, [0.0, 1.0])


def ten_lines(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    (h,), rho, out = problem.grid.spacing, problem.initial, [problem.initial]
    for a, b in itertools.pairwise(times):
        speed = problem.face_drift(a, 0).abs().max() + problem.face_drift(b, 0).abs().max()
        n = math.ceil((b - a) * float(2 * speed / h + 4 * problem.epsilon(b) / h**2))
        for t in (a + (b - a) * i / n for i in range(n)):
            w = problem.face_drift(t, 0)[1:-1]
            flux = w.clamp(min=0) * rho[:-1] + w.clamp(max=0) * rho[1:] - problem.epsilon(t) / h * rho.diff()
            rho = rho - (b - a) / n / h * torch.nn.functional.pad(flux, (1, 1)).diff()
        out.append(rho)
    return torch.stack(out)


OWN = {"directions": ("forward",), "dims": (1,), "conservative": True, "positive": True, "walls": "closed"}


def test_a_solver_of_ones_own_passes() -> None:
    record = check_density_solver(ten_lines, order=1, **OWN)
    assert record.passed, record.failures
    assert {r.check for r in record.results} >= {"pde-error", "pde-mass", "pde-positivity", "pde-closed-walls"}


def test_a_solver_of_ones_own_fails_under_a_claim_too_high() -> None:
    record = check_density_solver(ten_lines, order=2, select="pde-error, pde-steady-state", **OWN)
    assert {r.check for r in record.failures} == {"pde-error", "pde-steady-state"}


def test_a_solver_that_leaks_fails() -> None:
    def leaks(problem: DensityProblem, times: Sequence[float]) -> Tensor:
        return ten_lines(problem, times) * (1.0 - 1e-9 * torch.arange(len(times), dtype=torch.float64)[:, None])

    record = check_density_solver(leaks, order=1, select="pde-mass", **OWN)
    assert not record.passed


@pytest.mark.parametrize(
    ("check", "problem"),
    [("pde-divergence-growth", "gaussian-1d"), ("pde-epsilon-independence", "1d-bimodal")],
)
def test_checks_of_the_longer_profiles_see_a_halved_diffusion(check: str, problem: str) -> None:
    """These two are not in the quick profile, where the seeded faults are run."""
    verdicts = {}
    for subject in (discovery.subjects()["pde/muscl"], discovery.faults()["fault/pde-halved-diffusion"].subject):
        case = Case(
            check=check,
            subject=subject.name,
            problem=problem,
            dtype="float64",
            device="cpu",
            run_seed=0,
            profile="quick",
            alpha=0.0,
        )
        verdicts[subject.name] = run_case(case, {subject.name: subject}).verdict
    assert list(verdicts.values()) == [Verdict.PASSED, Verdict.FAILED]


@pytest.mark.parametrize(
    ("argument", "value"), [("form", "cells"), ("equations", ("heat",)), ("directions", ()), ("walls", "open")]
)
def test_unknown_claims_name_the_argument(argument: str, value: object) -> None:
    with pytest.raises(ValueError, match=argument):
        check_density_solver(muscl.solve, **{argument: value})  # type: ignore[arg-type]


def test_a_solver_that_is_no_callable() -> None:
    with pytest.raises(TypeError, match="solve"):
        check_density_solver(3)  # type: ignore[arg-type]
