"""k-diffusion's samplers on the levels of Karras et al., run to σ_min: the model answers data, the state is x1 + σ z.

Only ``k_diffusion.sampling`` is loaded: the package's own ``__init__`` imports models and metrics that samplers do not
need. Samplers of SDEs are handed normals drawn by torch in place of a Brownian tree, so that they can be scripted.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
import sys
from collections.abc import Callable
from types import MappingProxyType, ModuleType
from typing import Any

import torch

from si_verify.sampling.interface import Sampler, between
from si_verify.subject import VARIANT, Claims, ExpectedFailure, Subject, Unavailable
from si_verify.subjects.samplers.sigma_textbook import BOTTOM, SIGMA, TOP, karras

_KARRAS = "Karras et al., arXiv:2206.00364"
_DPMPP = "Lu et al., arXiv:2211.01095"

_IMAGES = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")


@functools.cache
def sampling_module() -> Any:
    """``k_diffusion.sampling`` without the rest of the package. Raises Unavailable where it is not installed."""
    found = importlib.util.find_spec("k_diffusion")
    if found is None or not found.submodule_search_locations:
        raise Unavailable("k-diffusion is not installed (extra `samplers`)")
    package = ModuleType("k_diffusion")
    package.__path__ = list(found.submodule_search_locations)
    package.__spec__ = found
    # Conversions of images, which the package's utils import and no sampler calls.
    stubs = {} if importlib.util.find_spec("torchvision") else {name: ModuleType(name) for name in _IMAGES}
    for name, stub in stubs.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(stubs[parent], child, stub)
    sys.modules |= {"k_diffusion": package, **stubs}
    try:
        return importlib.import_module("k_diffusion.sampling")
    except ImportError as error:
        raise Unavailable(f"k-diffusion's sampling module does not load: {error}") from error
    finally:
        for name in stubs:
            sys.modules.pop(name, None)


Noise = Callable[[torch.Tensor, torch.Generator], Callable[[Any, Any], torch.Tensor]]


def fresh(x: torch.Tensor, generator: torch.Generator) -> Callable[[Any, Any], torch.Tensor]:
    """Independent normals at every call: right where the intervals asked for do not overlap."""
    return lambda now, then: torch.randn(x.shape, generator=generator, dtype=x.dtype)


def nested(x: torch.Tensor, generator: torch.Generator) -> Callable[[Any, Any], torch.Tensor]:
    """Normalised increments of one Brownian motion in σ, where intervals with one start are asked for, short first."""
    start, reached, path = math.inf, math.inf, torch.zeros_like(x)

    def increment(now: Any, then: Any) -> torch.Tensor:
        nonlocal start, reached, path
        a, b = float(now), float(then)
        if a != start:
            start, reached, path = a, a, torch.zeros_like(x)
        fresh_part = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        path, reached = path + math.sqrt(max(reached - b, 0.0)) * fresh_part, min(b, reached)
        return path / math.sqrt(a - b)

    return increment


def _load(function: str, noise: Noise | None, per_step: int, more: dict[str, Any]) -> Sampler:
    run = getattr(sampling_module(), function)

    def sample(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
        sigmas = torch.tensor(karras(steps), dtype=x.dtype)
        drawn = {} if noise is None else {"noise_sampler": noise(x, generator)}
        return run(model, x, sigmas, disable=True, **drawn, **more)

    return Sampler(sample, SIGMA, "data", between(SIGMA, TOP, BOTTOM), lambda steps: per_step * steps)


def _subject(name: str, claims: Claims, source: str, noise: Noise | None, per_step: int, **more: Any) -> Subject:
    kind = "stochastic" if claims.weak_order is not None else "deterministic"
    stated = Claims(order=claims.order, weak_order=claims.weak_order, extra=MappingProxyType({"claim_source": source}))
    quick = () if name in _QUICK else (VARIANT,)
    return Subject(
        name=f"k-diffusion/{name.replace('_', '-')}",
        kind="sampler",
        load=functools.partial(_load, f"sample_{name.partition('@')[0]}", noise, per_step, more),
        claims=stated,
        tags=frozenset({"sampler", "peer", "k-diffusion", kind, *quick}),
        modules=("k_diffusion.sampling",),
        dtypes=("float64", "float32"),
        expected_failures=_LMS_START if name == "lms" else (),
        summary=f"sample_{name} on Karras's levels",
    )


_LMS_START = (
    ExpectedFailure(
        "sampler-order",
        "its first three steps are of order one to three; their error is left where that of order four is small",
        "docs/findings/diffusers.md#k-diffusion-lms-start",
        problem="one-sided-vp*",
    ),
)


_QUICK = frozenset({"dpmpp_2m_sde", "dpmpp_2s_ancestral"})

SUBJECTS = (
    _subject("euler", Claims(order=1), _KARRAS, None, 1),
    _subject("euler_ancestral", Claims(weak_order=1), "its docstring: ancestral sampling with Euler steps", fresh, 1),
    _subject("heun", Claims(order=2), f"{_KARRAS}, algorithm 2", None, 2),
    _subject("dpm_2", Claims(order=2), f"{_KARRAS}, algorithm 2, inspired by DPM-Solver-2", None, 2),
    _subject(
        "dpm_2_ancestral", Claims(weak_order=1), "ancestral sampling with DPM-Solver second-order steps", fresh, 2
    ),
    _subject("lms", Claims(order=4), "its default: linear multistep of order 4", None, 1),
    _subject("dpmpp_2s_ancestral", Claims(weak_order=1), "ancestral sampling with DPM-Solver++(2S)", fresh, 2),
    _subject("dpmpp_2m", Claims(order=2), f"{_DPMPP}: DPM-Solver++(2M), order 2", None, 1),
    _subject("dpmpp_sde", Claims(weak_order=1), "DPM-Solver++ (stochastic)", nested, 2),
    _subject("dpmpp_2m_sde", Claims(weak_order=2), "DPM-Solver++(2M) SDE", fresh, 1),
    _subject("dpmpp_3m_sde", Claims(weak_order=2), "DPM-Solver++(3M) SDE; its noise is that of order two", fresh, 1),
)
