"""torchode (Lienen & Günnemann, arXiv:2210.12375): adaptive Heun, Dopri5 and Tsit5 under its integral controller.

torchode gives every row its own steps; the suite's velocity has one time a call, so that the batch is handed over as
one row of N·D entries and shares its steps, as it does with the other packages. Answers at requested times are
interpolated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from si_verify.subject import VARIANT, Claims, Subject, Unavailable

Tensor = torch.Tensor
_METHODS = {"heun": ("Heun", 2.0), "dopri5": ("Dopri5", 5.0), "tsit5": ("Tsit5", 5.0)}


def _load(cls: str) -> Callable[[], Callable[..., Tensor]]:
    def load() -> Callable[..., Tensor]:
        try:
            import torchode
        except ImportError as error:
            raise Unavailable(f"torchode is not installed ({error}); pip install 'si-verify[peers]'") from error

        def solve(velocity: Any, x0: Tensor, times: Tensor, rtol: float, atol: float) -> Tensor:
            shape = x0.shape
            term = torchode.ODETerm(lambda t, y: velocity(t, y.reshape(shape)).reshape(1, -1))
            method = getattr(torchode, cls)(term=term)
            controller = torchode.IntegralController(atol=atol, rtol=rtol, term=term)
            problem = torchode.InitialValueProblem(y0=x0.reshape(1, -1), t_eval=times[None])
            answer = torchode.AutoDiffAdjoint(method, controller).solve(problem)
            return answer.ys[0, -1].reshape(shape)

        return solve

    return load


def _subject(name: str) -> Subject:
    cls, order = _METHODS[name]
    return Subject(
        name=f"torchode/{name}",
        kind="ode",
        load=_load(cls),
        claims=Claims(order=order, adaptive=True),
        tags=frozenset({"torchode", "adaptive", *((VARIANT,) if name == "heun" else ())}),
        modules=("torchode", __name__),
        dtypes=("float64", "float32"),
        summary=f"torchode {cls}, integral controller, the batch as one row",
    )


SUBJECTS = tuple(_subject(name) for name in _METHODS)
