"""Hugging Face diffusers' schedulers behind the suite's sampler interface: one loop, five readings of a scheduler.

The loop is that of every pipeline: ``set_timesteps``, then for each timestep ``scale_model_input``, the model,
``step``. One scheduler object serves all runs of a subject, as it does in a pipeline, so that state it keeps is seen.
The clock of the model is the scheduler's own table of noise levels, the one that ``add_noise`` trains with.
"""

from __future__ import annotations

import copy
import functools
import inspect
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from si_verify.sampling.clock import Clock, Level, clock, from_ratio, table_clock
from si_verify.sampling.interface import Ends, Sampler
from si_verify.subject import VARIANT, Claims, Subject, Unavailable
from si_verify.subjects.samplers.known_shortfalls import SHORTFALLS

Reading = Callable[[Any], tuple[Clock, Callable[[int], Ends]]]


@dataclass(frozen=True)
class Spec:
    """One scheduler in one configuration, and what its documentation claims.

    scheduler: class name in diffusers. config: constructor arguments. step: extra arguments of ``step``.
    order (deterministic) or weak_order (stochastic): the claim, with ``source``. evaluations: steps -> model calls.
    wrap: how the model is turned into the network that the scheduler expects (EDM preconditioning); None: as it is.
    conditioning: what the scheduler's own formula multiplies a rounding by, a number or steps -> number.
    """

    name: str
    scheduler: str
    reading: Reading
    config: Mapping[str, Any]
    source: str
    order: float | None = None
    weak_order: float | None = None
    step: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    prediction: str = "noise"
    evaluations: Callable[[int], int] = lambda steps: steps
    step_counts: tuple[int, ...] | None = None
    wrap: Callable[[Any, Any], Any] | None = None
    conditioning: float | Callable[[int], float] = 1.0
    tags: tuple[str, ...] = ()


def make_subject(spec: Spec) -> Subject:
    """The Subject of a Spec. diffusers keeps its tables in float32 and computes in it, whatever the state's dtype."""
    _SPECS[spec.name] = spec
    kind = "stochastic" if spec.weak_order is not None else "deterministic"
    extra = {"arithmetic": "float32", "claim_source": spec.source, "conditioning": spec.conditioning}
    return Subject(
        name=f"diffusers/{spec.name}",
        kind="sampler",
        load=functools.partial(_load, spec),
        claims=Claims(order=spec.order, weak_order=spec.weak_order, extra=MappingProxyType(extra)),
        tags=frozenset(
            {"sampler", "peer", "diffusers", kind, *spec.tags, *(() if spec.name in _QUICK else (VARIANT,))}
        ),
        modules=(f"diffusers.schedulers.{_module(spec.scheduler)}",),
        expected_failures=SHORTFALLS.get(spec.name, ()),
        dtypes=("float64", "float32"),
        summary=f"{spec.scheduler}({', '.join(f'{k}={v}' for k, v in spec.config.items() if k != 'trained_betas')})",
    )


_SPECS: dict[str, Spec] = {}

# One of each family; the others are variants of these.
_QUICK = frozenset(
    {
        "ddim",
        "ddpm",
        "euler",
        "heun",
        "dpm-solver++-2m",
        "sde-dpm-solver++-2m",
        "unipc-2",
        "flow-euler",
    }
)

# Fine enough for float32 timesteps, and T − 1 (or T) divisible by many step counts: integer timesteps on equal strides.
_TRAINED = 2520
STRIDES = tuple(n for n in range(4, 1261) if _TRAINED % n == 0)


def smooth(total: int = _TRAINED + 1, low: float = 0.02, high: float = 40.0, rho: float = 7.0) -> dict[str, Any]:
    """Configuration with a training schedule on which equal strides are a smooth grid of levels.

    The levels of Karras et al. (arXiv:2206.00364, equation 5) at ``total`` training steps, given as ``trained_betas``.
    On the default schedule of 1000 steps the log-SNR steps near the data do not shrink with the stride, which hides the
    order of a solver behind its grid.
    """
    a, b = low ** (1 / rho), high ** (1 / rho)
    bar = 1.0 / (1.0 + (a + np.linspace(0.0, 1.0, total) * (b - a)) ** (2 * rho))
    betas = 1.0 - bar / np.concatenate([[1.0], bar[:-1]])
    return {"trained_betas": betas.tolist(), "num_train_timesteps": total}


_MODULES = {
    "DDIMScheduler": "ddim",
    "DDPMScheduler": "ddpm",
    "PNDMScheduler": "pndm",
    "IPNDMScheduler": "ipndm",
    "EulerDiscreteScheduler": "euler_discrete",
    "EulerAncestralDiscreteScheduler": "euler_ancestral_discrete",
    "HeunDiscreteScheduler": "heun_discrete",
    "KDPM2DiscreteScheduler": "k_dpm_2_discrete",
    "KDPM2AncestralDiscreteScheduler": "k_dpm_2_ancestral_discrete",
    "LMSDiscreteScheduler": "lms_discrete",
    "DPMSolverMultistepScheduler": "dpmsolver_multistep",
    "DPMSolverSinglestepScheduler": "dpmsolver_singlestep",
    "DEISMultistepScheduler": "deis_multistep",
    "UniPCMultistepScheduler": "unipc_multistep",
    "SASolverScheduler": "sasolver",
    "EDMEulerScheduler": "edm_euler",
    "EDMDPMSolverMultistepScheduler": "edm_dpmsolver_multistep",
    "FlowMatchEulerDiscreteScheduler": "flow_match_euler_discrete",
    "FlowMatchHeunDiscreteScheduler": "flow_match_heun_discrete",
}


def _module(scheduler: str) -> str:
    return f"scheduling_{_MODULES[scheduler]}"


@functools.cache
def _pristine(name: str) -> Any:
    """The scheduler of a subject as its constructor made it, which can take a second; subjects run on copies."""
    spec = _SPECS[name]
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        module = __import__(f"diffusers.schedulers.{_module(spec.scheduler)}", fromlist=[spec.scheduler])
    except ImportError as error:
        raise Unavailable(f"diffusers is not installed (extra `samplers`): {error}") from error
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    return getattr(module, spec.scheduler)(**spec.config)


def _load(spec: Spec) -> Sampler:
    scheduler = copy.deepcopy(_pristine(spec.name))
    own, ends = spec.reading(scheduler)
    accepted = inspect.signature(scheduler.step).parameters

    def sample(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
        scheduler.set_timesteps(steps)
        wrapped = model if spec.wrap is None else spec.wrap(scheduler, model)
        given = {**spec.step, **({"generator": generator} if "generator" in accepted else {})}
        for t in scheduler.timesteps:
            output = wrapped(scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x, t)
            x = scheduler.step(output, t, x, **given, return_dict=False)[0]
        return x

    return Sampler(sample, own, spec.prediction, ends, spec.evaluations, spec.step_counts)


def training_steps(scheduler: Any) -> tuple[Clock, Callable[[int], Ends]]:
    """DDIM and its kin: levels are ᾱ at integer timesteps; the last step goes to ᾱ = 1 or ᾱ_0."""
    own = table_clock("ᾱ of the scheduler", scheduler.alphas_cumprod.numpy())

    def ends(steps: int) -> Ends:
        scheduler.set_timesteps(steps)
        last, final = float(scheduler.timesteps[-1]), float(getattr(scheduler, "final_alpha_cumprod", 1.0))
        start = own.at(float(scheduler.timesteps[0]))
        if final == 1.0:
            return Ends(start, Level(1.0, 0.0), own.at(last))
        return Ends(start, own.at(0.0))

    return own, ends


def _sigma_ends(scheduler: Any, level: Callable[[float], Level]) -> Callable[[int], Ends]:
    def ends(steps: int) -> Ends:
        scheduler.set_timesteps(steps)
        sigmas = [float(s) for s in scheduler.sigmas]
        if sigmas[-1] > 0.0:
            return Ends(level(sigmas[0]), level(sigmas[-1]))
        return Ends(level(sigmas[0]), Level(1.0, 0.0), level(min(s for s in sigmas if s > 0.0)))

    return ends


def sigmas(scheduler: Any) -> tuple[Clock, Callable[[int], Ends]]:
    """Euler and its kin: the state is x1 + σ z, the model sees it divided by √(1 + σ²) at a fractional timestep."""
    own = table_clock("ᾱ of the scheduler", scheduler.alphas_cumprod.numpy())
    return own, _sigma_ends(scheduler, lambda sigma: Level(1.0, sigma))


def sigmas_onward(scheduler: Any) -> tuple[Clock, Callable[[int], Ends]]:
    """Linear multistep: as ``sigmas``, but the last step extrapolates to σ = 0 and does not jump to the prediction."""
    own, ends = sigmas(scheduler)
    return own, lambda steps: replace(ends(steps), jump_from=None)


def log_snr(scheduler: Any) -> tuple[Clock, Callable[[int], Ends]]:
    """DPM-Solver and its kin: the state is the variance-preserving one with s/a = σ."""
    own = table_clock("ᾱ of the scheduler", scheduler.alphas_cumprod.numpy())
    return own, _sigma_ends(scheduler, from_ratio)


def flow_sigmas(scheduler: Any) -> tuple[Clock, Callable[[int], Ends]]:
    """Flow matching: x = (1 − σ) x1 + σ z; the model is told 1000 σ."""
    inner = clock("flow-noise")
    own = Clock("1000 σ", lambda t: inner.at(t / scheduler.config.num_train_timesteps), inner.velocity)
    return own, _sigma_ends(scheduler, inner.at)


def edm(scheduler: Any) -> tuple[Clock, Callable[[int], Ends]]:
    """EDM: the state is x1 + σ z; the network is told ¼ log σ."""
    own = Clock("¼ log σ", lambda t: Level(1.0, float(np.exp(4.0 * t))))
    return own, _sigma_ends(scheduler, lambda sigma: Level(1.0, sigma))


def edm_network(scheduler: Any, model: Any) -> Any:
    """The raw network F of a denoiser D = c_skip x + c_out F(c_in x) (arXiv:2206.00364, equation 7)."""
    data = float(scheduler.config.sigma_data)

    def network(scaled: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        sigma = float(np.exp(4.0 * float(t)))
        both = float(np.hypot(sigma, data))
        x = scaled * both
        return (model(x, t) - (data / both) ** 2 * x) / (sigma * data / both)

    return network


def ipndm(scheduler: Any) -> tuple[Clock, Callable[[int], Ends]]:
    """iPNDM: β = sin², α = √(1 − β²); the model is told the angle, as a fraction of π/2, and predicts velocity."""
    own = clock("cosine")

    def ends(steps: int) -> Ends:
        scheduler.set_timesteps(steps)
        return Ends(own.at(float(scheduler.timesteps[0])), Level(1.0, 0.0))

    return own, ends
