"""diffusers' exponential integrators in log-SNR: DPM-Solver(++) as ODE and SDE, DEIS, UniPC, SA-Solver."""

from __future__ import annotations

from typing import Any

from si_verify.subjects.samplers.diffusers_adapter import STRIDES, Spec, flow_sigmas, log_snr, make_subject, smooth

_MULTI, _SINGLE = "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"
_GRID = {**smooth(), "timestep_spacing": "linspace"}
_TO_MIN = {**_GRID, "final_sigmas_type": "sigma_min"}
_THREES = tuple(n for n in STRIDES if n % 3 == 0)
_TWOS = tuple(n for n in STRIDES if n % 2 == 0)
_SHIPPED = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "final_sigmas_type": "sigma_min",
}
_DPM = "Lu et al., arXiv:2206.00927, theorem 3.2: DPM-Solver-k, order k"
_DPMPP = "Lu et al., arXiv:2211.01095: DPM-Solver++(kM) and (kS), order k"
_SDE = "Lu et al., arXiv:2211.01095, and the scheduler's solver_order; of the noise no more than order two is said"
_DEIS = "Zhang and Chen, arXiv:2204.13902: tAB-DEIS, order = solver_order"
_UNIPC = "Zhao et al., arXiv:2302.04867, theorem 3.1, and its docstring: effective order solver_order + 1"
_SA = "Xue et al., arXiv:2309.05019, theorem 5.1: order of the predictor without noise"
_SA_NOISE = "Xue et al., arXiv:2309.05019, theorem 5.1: with noise of constant τ, order 1"


def _multi(name: str, order: int, **more: Any) -> Spec:
    config = {**_TO_MIN, "solver_order": order, **more}
    source = _DPM if config.get("algorithm_type") == "dpmsolver" else _DPMPP
    prediction = "velocity" if config.get("prediction_type") == "v_prediction" else "noise"
    return Spec(name, _MULTI, log_snr, config, source, order=order, prediction=prediction, step_counts=STRIDES)


def _single(name: str, order: int, kind: str) -> Spec:
    config = {**smooth(), "solver_order": order, "algorithm_type": kind, "final_sigmas_type": "sigma_min"}
    counts = _TWOS if order == 2 else _THREES
    claim: dict[str, Any] = {"weak_order": min(order, 2)} if kind.startswith("sde") else {"order": order}
    source = {"dpmsolver": _DPM, "dpmsolver++": _DPMPP}.get(kind, _SDE)
    return Spec(name, _SINGLE, log_snr, config, source, step_counts=counts, **claim)


def _sde(name: str, order: int, kind: str) -> Spec:
    config = {**_TO_MIN, "solver_order": order, "algorithm_type": kind}
    return Spec(name, _MULTI, log_snr, config, _SDE, weak_order=min(order, 2), step_counts=STRIDES)


def _unipc(name: str, order: int, **more: Any) -> Spec:
    config = {**_TO_MIN, "solver_order": order, **more}
    return Spec(name, "UniPCMultistepScheduler", log_snr, config, _UNIPC, order=order + 1, step_counts=STRIDES)


def _sa(name: str, order: int, tau: float) -> Spec:
    config = {**_GRID, "predictor_order": order, "corrector_order": order, "tau_func": lambda t: tau}
    claim: dict[str, Any] = {"weak_order": 1} if tau else {"order": order}
    counts = tuple(n for n in STRIDES if n <= 168)  # a step costs milliseconds
    return Spec(name, "SASolverScheduler", log_snr, config, _SA_NOISE if tau else _SA, step_counts=counts, **claim)


def _flow(name: str, scheduler: str) -> Spec:
    config = {
        "use_flow_sigmas": True,
        "prediction_type": "flow_prediction",
        "final_sigmas_type": "sigma_min",
        "solver_order": 2,
    }
    source, order = (_UNIPC, 3) if scheduler.startswith("UniPC") else (_DPMPP, 2)
    return Spec(name, scheduler, flow_sigmas, config, source, order=order, prediction="velocity")


def _deis_2_rounding(steps: int) -> float:
    """Its weights divide by log σ_s0 − log σ_s1 ≈ 7.6/n, whose terms, of the size of 2, are rounded to float32."""
    return max(1.0, 2.0 * steps / 7.6)


SPECS = (
    _multi("dpm-solver++-1m", 1),
    _multi("dpm-solver++-2m", 2),
    _multi("dpm-solver++-2m-heun", 2, solver_type="heun"),
    _multi("dpm-solver++-2m-to-zero", 2, final_sigmas_type="zero"),
    _multi("dpm-solver++-3m", 3),
    _multi("dpm-solver-2m", 2, algorithm_type="dpmsolver"),
    _multi("dpm-solver-3m", 3, algorithm_type="dpmsolver"),
    _single("dpm-solver++-2s", 2, "dpmsolver++"),
    _single("dpm-solver++-3s", 3, "dpmsolver++"),
    _single("dpm-solver-2s", 2, "dpmsolver"),
    _single("dpm-solver-3s", 3, "dpmsolver"),
    _sde("sde-dpm-solver++-1m", 1, "sde-dpmsolver++"),
    _sde("sde-dpm-solver++-2m", 2, "sde-dpmsolver++"),
    _sde("sde-dpm-solver++-3m", 3, "sde-dpmsolver++"),
    _sde("sde-dpm-solver-2m", 2, "sde-dpmsolver"),
    _single("sde-dpm-solver++-2s", 2, "sde-dpmsolver++"),
    _single("sde-dpm-solver++-3s", 3, "sde-dpmsolver++"),
    *(
        Spec(
            f"deis-{k}",
            "DEISMultistepScheduler",
            log_snr,
            {**_GRID, "solver_order": k},
            _DEIS,
            order=k,
            step_counts=STRIDES,
            conditioning=_deis_2_rounding if k == 2 else 1.0,
        )
        for k in (1, 2, 3)
    ),
    _unipc("unipc-1", 1),
    _unipc("unipc-2", 2),
    _unipc("unipc-2-noise", 2, predict_x0=False),
    _unipc("unipc-3", 3),
    _sa("sa-ode-2", 2, 0.0),
    _sa("sa-ode-3", 3, 0.0),
    _sa("sa-2", 2, 1.0),
    _multi("dpm-solver++-2m-v", 2, prediction_type="v_prediction"),
    Spec(
        "dpm-solver++-2m-karras",
        _MULTI,
        log_snr,
        {**_SHIPPED, "use_karras_sigmas": True, "solver_order": 2},
        _DPMPP,
        order=2,
    ),
    Spec(
        "dpm-solver++-2m-exponential",
        _MULTI,
        log_snr,
        {**_SHIPPED, "use_exponential_sigmas": True, "solver_order": 2},
        _DPMPP,
        order=2,
    ),
    Spec(
        "dpm-solver++-3m-exponential",
        _MULTI,
        log_snr,
        {**_SHIPPED, "use_exponential_sigmas": True, "solver_order": 3},
        _DPMPP,
        order=3,
    ),
    _flow("dpm-solver++-2m-flow", _MULTI),
    _flow("unipc-2-flow", "UniPCMultistepScheduler"),
)
SUBJECTS = tuple(make_subject(spec) for spec in SPECS)
