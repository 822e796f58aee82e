"""path-replay passes the plain path, rejects each seeded fault, and takes a path of one's own."""

from __future__ import annotations

import pytest
import torch

from analytic import problems
from si_verify import discovery
from si_verify.check import Context
from si_verify.checks.path_replay import CHECK
from si_verify.faults.path_noise import FAULTS
from si_verify.guard import guard
from si_verify.paths.plain import planner
from si_verify.subject import Subject
from si_verify.targets import subject_of


def broken(subject: Subject, problem: str) -> set[str]:
    """Names of the measurements beyond their bounds."""
    given = next(p for p in problems.all() if p.name == problem)
    context = Context(
        subject, given, guard("path", subject.load()), torch.float64, torch.device("cpu"), 12345, 1e-6, "quick"
    )
    found = CHECK.measure(context).measurements
    assert len(found) > 2
    return {m.name for m in found if m.bound is not None and not m.value <= m.bound}


def test_the_plain_path_passes():
    assert broken(discovery.subjects()["torch/paths"], "1d-bimodal") == set()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_a_fault_is_rejected(fault):
    assert broken(fault.subject, "product-3d")


def test_a_path_of_ones_own_claims_its_methods():
    mine = subject_of("mine", "path", planner, {"methods": ("heun", "rk4")})
    assert CHECK.applies(mine, problems.all()[0])
    assert broken(mine, "1d-bimodal") == set()
    with pytest.raises(ValueError, match="methods"):
        subject_of("mine", "path", planner, {"methods": "leapfrog"})
