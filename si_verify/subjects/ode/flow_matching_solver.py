"""flow_matching's ODESolver (Lipman et al., arXiv:2412.06264): torchdiffeq behind the package's own interface.

``ODESolver(velocity_model=f).sample(x_init, step_size, method, atol, rtol, time_grid)``, with ``step_size=None``: one
step between consecutive times for a fixed-step method, the tolerances for an adaptive one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from si_verify.subject import VARIANT, Claims, ExpectedFailure, Subject, Unavailable
from si_verify.subjects.ode.torchdiffeq_adaptive import EXPECTED

Tensor = torch.Tensor
_FIXED = {"euler": (1.0, 1), "midpoint": (2.0, 2), "heun3": (3.0, 3), "rk4": (4.0, 4)}


def _load(method: str, adaptive: bool) -> Callable[[], Callable[..., Tensor]]:
    def load() -> Callable[..., Tensor]:
        try:
            from flow_matching.solver import ODESolver
        except ImportError as error:
            remedy = "pip install --no-deps flow_matching (it asks for torchvision), and torchdiffeq"
            raise Unavailable(f"flow_matching is not installed ({error}); {remedy}") from error

        def run(velocity: Any, x0: Tensor, times: Tensor, **tolerances: float) -> Tensor:
            solver = ODESolver(velocity_model=lambda x, t: velocity(t, x))
            return solver.sample(x_init=x0, step_size=None, method=method, time_grid=times, **tolerances)

        if not adaptive:
            return lambda velocity, x0, times: run(velocity, x0, times)
        return lambda velocity, x0, times, rtol, atol: run(velocity, x0, times, rtol=rtol, atol=atol)

    return load


def _subject(method: str, claims: Claims, marks: tuple[ExpectedFailure, ...] = ()) -> Subject:
    return Subject(
        name=f"flow-matching/{method}",
        kind="ode",
        load=_load(method, claims.adaptive),
        claims=claims,
        tags=frozenset({"flow-matching", "peer", *(() if method in ("midpoint", "dopri5") else (VARIANT,))}),
        modules=("flow_matching.solver.ode_solver", "torchdiffeq", __name__),
        dtypes=("float64", "float32"),
        expected_failures=marks,
        summary=f"flow_matching ODESolver, {method}",
    )


SUBJECTS = (
    *(_subject(m, Claims(order=order, evaluations_per_step=stages)) for m, (order, stages) in _FIXED.items()),
    _subject("dopri5", Claims(order=5.0, adaptive=True, evaluations_per_step=6), EXPECTED["dopri5"]),
)
