"""si_verify: verification and benchmarks for stochastic interpolants, flows and diffusions.

>>> import si_verify as sv
>>> record = sv.check_ode_solver(my_solver, order=2)      # doctest: +SKIP
>>> record.passed, record.failures                        # doctest: +SKIP

Names are imported when they are first used, so that ``import si_verify`` and the command line's help are immediate.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from si_verify.api import check_field, check_ode_solver, check_sde_solver, verify_subject
    from si_verify.api_drift import check_drift, check_objective
    from si_verify.api_likelihood import check_likelihood
    from si_verify.api_pde import check_density_solver
    from si_verify.api_sampler import check_sampler
    from si_verify.pytest_plugin import parametrize_with_checks
    from si_verify.record import Record, read_record
    from si_verify.subject import Claims, ExpectedFailure, Subject, SubjectError, Unavailable

__version__ = "0.1.0"

_HOMES = {
    "check_density_solver": "si_verify.api_pde",
    "check_drift": "si_verify.api_drift",
    "check_field": "si_verify.api",
    "check_likelihood": "si_verify.api_likelihood",
    "check_objective": "si_verify.api_drift",
    "check_ode_solver": "si_verify.api",
    "check_sampler": "si_verify.api_sampler",
    "check_sde_solver": "si_verify.api",
    "verify_subject": "si_verify.api",
    "parametrize_with_checks": "si_verify.pytest_plugin",
    "Record": "si_verify.record",
    "read_record": "si_verify.record",
    "Claims": "si_verify.subject",
    "ExpectedFailure": "si_verify.subject",
    "Subject": "si_verify.subject",
    "SubjectError": "si_verify.subject",
    "Unavailable": "si_verify.subject",
}

__all__ = [
    "Claims",
    "ExpectedFailure",
    "Record",
    "Subject",
    "SubjectError",
    "Unavailable",
    "check_density_solver",
    "check_drift",
    "check_field",
    "check_likelihood",
    "check_objective",
    "check_ode_solver",
    "check_sampler",
    "check_sde_solver",
    "parametrize_with_checks",
    "read_record",
    "verify_subject",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'si_verify' has no attribute {name!r}")
    return getattr(import_module(home), name)
