"""diffusers' schedulers on x1 + σ z: Euler, ancestral, Heun, DPM2, linear multistep, and the EDM pair."""

from __future__ import annotations

from si_verify.subjects.samplers.diffusers_adapter import (
    Spec,
    edm,
    edm_network,
    make_subject,
    sigmas,
    sigmas_onward,
    smooth,
)

_SMOOTH = smooth()
_EDM = {"sigma_min": 0.02, "sigma_max": 40.0}
_SHIPPED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_EULER = "Karras et al., arXiv:2206.00364, table 1: Euler, order 1"
_HEUN = "Karras et al., arXiv:2206.00364, algorithm 1: Heun, order 2"
_KDPM2 = "Karras et al., arXiv:2206.00364, algorithm 2, with DPM-Solver-2's midpoint: order 2"
_ANCESTRAL = "k-diffusion's ancestral sampling (DDPM in σ): weak order 1"
_LMS = "its docstring: the order of the linear multistep method, 4 by default"
_DPM = "Lu et al., arXiv:2211.01095: DPM-Solver++(kM), order k"


def _twice(n: int) -> int:
    return 2 * n - 1


SUBJECTS = tuple(
    make_subject(spec)
    for spec in (
        Spec("euler", "EulerDiscreteScheduler", sigmas, _SMOOTH, _EULER, order=1),
        Spec(
            "euler-shipped-karras",
            "EulerDiscreteScheduler",
            sigmas,
            {**_SHIPPED, "use_karras_sigmas": True},
            _EULER,
            order=1,
        ),
        Spec(
            "euler-v",
            "EulerDiscreteScheduler",
            sigmas,
            {**_SMOOTH, "prediction_type": "v_prediction"},
            _EULER,
            order=1,
            prediction="velocity",
        ),
        Spec("euler-churn", "EulerDiscreteScheduler", sigmas, _SMOOTH, _EULER, weak_order=1, step={"s_churn": 10.0}),
        Spec("euler-ancestral", "EulerAncestralDiscreteScheduler", sigmas, _SMOOTH, _ANCESTRAL, weak_order=1),
        Spec("heun", "HeunDiscreteScheduler", sigmas, _SMOOTH, _HEUN, order=2, evaluations=_twice),
        Spec("kdpm2", "KDPM2DiscreteScheduler", sigmas, _SMOOTH, _KDPM2, order=2, evaluations=_twice),
        Spec(
            "kdpm2-ancestral",
            "KDPM2AncestralDiscreteScheduler",
            sigmas,
            _SMOOTH,
            _ANCESTRAL,
            weak_order=1,
            evaluations=_twice,
        ),
        # Its weights are integrated by quadrature at every step: milliseconds each.
        Spec("lms", "LMSDiscreteScheduler", sigmas_onward, _SMOOTH, _LMS, order=4, step_counts=tuple(range(5, 91))),
        Spec("lms-2", "LMSDiscreteScheduler", sigmas_onward, _SMOOTH, _LMS, order=2, step={"order": 2}),
        Spec("edm-euler", "EDMEulerScheduler", edm, _EDM, _EULER, order=1, prediction="data", wrap=edm_network),
        Spec(
            "edm-euler-churn",
            "EDMEulerScheduler",
            edm,
            _EDM,
            _EULER,
            weak_order=1,
            prediction="data",
            wrap=edm_network,
            step={"s_churn": 10.0},
        ),
        Spec(
            "edm-dpm-2m",
            "EDMDPMSolverMultistepScheduler",
            edm,
            _EDM,
            _DPM,
            order=2,
            prediction="data",
            wrap=edm_network,
        ),
        Spec(
            "edm-dpm-3m",
            "EDMDPMSolverMultistepScheduler",
            edm,
            {**_EDM, "solver_order": 3},
            _DPM,
            order=3,
            prediction="data",
            wrap=edm_network,
        ),
        Spec(
            "edm-sde-dpm-2m",
            "EDMDPMSolverMultistepScheduler",
            edm,
            {**_EDM, "algorithm_type": "sde-dpmsolver++"},
            _DPM,
            weak_order=2,
            prediction="data",
            wrap=edm_network,
        ),
        Spec(
            "edm-dpm-2m-to-sigma-min",
            "EDMDPMSolverMultistepScheduler",
            edm,
            {**_EDM, "algorithm_type": "sde-dpmsolver++", "final_sigmas_type": "sigma_min"},
            _DPM,
            weak_order=2,
            prediction="data",
            wrap=edm_network,
        ),
    )
)
