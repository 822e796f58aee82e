"""diffusers' schedulers that step between training timesteps: DDIM, DDPM, PNDM, iPNDM."""

from __future__ import annotations

from si_verify.subjects.samplers.diffusers_adapter import STRIDES, Spec, ipndm, make_subject, smooth, training_steps

_TRAILING = {**smooth(2520), "clip_sample": False, "timestep_spacing": "trailing"}
_LEADING = {**smooth(2520), "timestep_spacing": "leading"}
_SHIPPED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
_RAGGED = tuple(n for n in range(6, 451) if 1000 % n)
_DIVISORS = tuple(n for n in range(4, 501) if 1000 % n == 0)
_DDIM = "Song et al., arXiv:2010.02502: Euler's method on the probability flow, order 1"
_DDPM = "Ho et al., arXiv:2006.11239: ancestral sampling, weak order 1"
_PNDM = "Liu et al., arXiv:2202.09778, theorem 3.3: pseudo numerical methods converge with order 2"

SUBJECTS = tuple(
    make_subject(spec)
    for spec in (
        Spec("ddim", "DDIMScheduler", training_steps, _TRAILING, _DDIM, order=1, step_counts=STRIDES),
        Spec(
            "ddim-v",
            "DDIMScheduler",
            training_steps,
            {**_TRAILING, "prediction_type": "v_prediction"},
            _DDIM,
            order=1,
            prediction="velocity",
            step_counts=STRIDES,
        ),
        Spec(
            "ddim-shipped",
            "DDIMScheduler",
            training_steps,
            {**_SHIPPED, "set_alpha_to_one": False, "steps_offset": 1},
            _DDIM,
            order=1,
            step_counts=_DIVISORS,
        ),
        Spec(
            "ddim-ragged",
            "DDIMScheduler",
            training_steps,
            {**_SHIPPED, "timestep_spacing": "trailing"},
            _DDIM,
            order=1,
            step_counts=_RAGGED,
        ),
        Spec(
            "ddim-eta-1",
            "DDIMScheduler",
            training_steps,
            _TRAILING,
            _DDPM,
            weak_order=1,
            step={"eta": 1.0},
            step_counts=STRIDES,
        ),
        # 1 − ᾱ_t/ᾱ_prev cancels in float32: 2^-24 over the 5e-3 it is at the last levels of 300 steps, times β_t.
        Spec(
            "ddpm",
            "DDPMScheduler",
            training_steps,
            _TRAILING,
            _DDPM,
            weak_order=1,
            step_counts=STRIDES,
            conditioning=64,
        ),
        Spec(
            "ddpm-large",
            "DDPMScheduler",
            training_steps,
            {**_TRAILING, "variance_type": "fixed_large"},
            _DDPM,
            weak_order=1,
            step_counts=STRIDES,
            conditioning=64,
        ),
        Spec(
            "pndm",
            "PNDMScheduler",
            training_steps,
            {**_LEADING, "skip_prk_steps": True},
            _PNDM,
            order=2,
            evaluations=lambda n: n + 1,
            step_counts=STRIDES,
        ),
        Spec(
            "pndm-runge-kutta",
            "PNDMScheduler",
            training_steps,
            _LEADING,
            _PNDM,
            order=2,
            evaluations=lambda n: n + 9,
            step_counts=STRIDES[2:],
        ),
        Spec(
            "ipndm",
            "IPNDMScheduler",
            ipndm,
            {},
            "its docstring: a fourth-order improved pseudo linear multistep scheduler",
            order=4,
            prediction="velocity",
        ),
    )
)
