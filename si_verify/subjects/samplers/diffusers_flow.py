"""diffusers' schedulers for flow matching: Euler and Heun on x = (1 − σ) x1 + σ z."""

from __future__ import annotations

from si_verify.subjects.samplers.diffusers_adapter import Spec, flow_sigmas, make_subject

_EULER, _HEUN = "FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"
_FIRST = "Esser et al., arXiv:2403.03206: Euler's method on the flow, order 1"
_SECOND = "its docstring: Heun's method on the flow, order 2"


def _twice(n: int) -> int:
    return 2 * n - 1


SUBJECTS = tuple(
    make_subject(spec)
    for spec in (
        Spec("flow-euler", _EULER, flow_sigmas, {}, _FIRST, order=1, prediction="velocity"),
        Spec("flow-euler-shift-3", _EULER, flow_sigmas, {"shift": 3.0}, _FIRST, order=1, prediction="velocity"),
        Spec(
            "flow-euler-stochastic",
            _EULER,
            flow_sigmas,
            {"stochastic_sampling": True},
            _FIRST,
            weak_order=1,
            prediction="velocity",
        ),
        Spec("flow-heun", _HEUN, flow_sigmas, {}, _SECOND, order=2, prediction="velocity", evaluations=_twice),
        Spec(
            "flow-heun-shift-3",
            _HEUN,
            flow_sigmas,
            {"shift": 3.0},
            _SECOND,
            order=2,
            prediction="velocity",
            evaluations=_twice,
        ),
        Spec(
            "flow-heun-churn",
            _HEUN,
            flow_sigmas,
            {},
            _SECOND,
            weak_order=1,
            prediction="velocity",
            evaluations=_twice,
            step={"s_churn": 10.0},
        ),
    )
)
