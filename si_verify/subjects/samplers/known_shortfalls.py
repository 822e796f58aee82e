"""Where diffusers' schedulers fall short of what is claimed for them, with the cause: expected failures."""

from __future__ import annotations

from si_verify.subject import ExpectedFailure

_PAGE = "docs/findings/diffusers.md#"


# Checks of samples, which a small sample may pass without being right: a pass there outlives no bug.
_BLURRED = ("sampler-law", "sampler-work-precision")


def _marks(section: str, reason: str, *checks: str) -> tuple[ExpectedFailure, ...]:
    return tuple(ExpectedFailure(check, reason, _PAGE + section, strict=check not in _BLURRED) for check in checks)


_HALVED = _marks(
    "third-order-multistep",
    "the second-difference term of the third-order multistep update has half its weight, which leaves order two",
    "sampler-order",
)
_INTEGERS = "the model is asked at timesteps cut to integers while the state is at the uncut level: an error of its own"
_DIGITS = "its coefficients are differences of float32 logarithms, whose rounding grows with the number of steps"
_FLOW_NOISE = "noise is added on top of the flow's state without the rescaling that keeps its law"
_FINAL = "lower_order_final, on by default, ends every run with steps of order two and one, which leaves order three"

SHORTFALLS: dict[str, tuple[ExpectedFailure, ...]] = {
    "dpm-solver++-3m": _HALVED,
    "dpm-solver-3m": _HALVED,
    "edm-dpm-3m": _HALVED,
    "sde-dpm-solver++-3m": _marks(
        "third-order-multistep-sde",
        "−½ for +½ in the weight of the second difference: a term of the second order in each step, weak order one",
        "sampler-weak-order",
    ),
    "sde-dpm-solver++-2s": _marks(
        "singlestep-sde",
        "stage and step draw noise of their own, so that the difference of the two predictions holds noise: order one",
        "sampler-weak-order",
    ),
    "sde-dpm-solver++-3s": _marks(
        "singlestep-sde",
        "the stages and the step draw noise of their own, so that differences of predictions hold noise: order one",
        "sampler-weak-order",
    ),
    "dpm-solver++-2m-exponential": _marks("integer-timesteps", _INTEGERS, "sampler-order", "sampler-bias"),
    "dpm-solver++-2m-flow": _marks("integer-timesteps", _INTEGERS, "sampler-order", "sampler-bias"),
    "unipc-2-flow": _marks("integer-timesteps", _INTEGERS, "sampler-order", "sampler-bias"),
    "dpm-solver++-2m-karras": _marks("integer-timesteps", _INTEGERS, "sampler-order"),
    "dpm-solver++-3m-exponential": _marks(
        "repeated-last-level",
        "the last level stands twice in the grid: a step of length zero, and 0/0 in the third-order update",
        "sampler-*",
    ),
    "ddim-ragged": _marks(
        "stride",
        "timesteps are 1000/n apart, steps 1000 // n long: where n does not divide 1000 the state lags its level",
        "sampler-order",
        "sampler-bias",
        "sampler-law",
    ),
    "ipndm": _marks(
        "ipndm",
        "the first prediction of the data is 0/1e-8 = 0 whatever the model says, an error of the first order",
        "sampler-order",
    ),
    "flow-heun-churn": _marks(
        "flow-noise", _FLOW_NOISE, "sampler-weak-order", "sampler-bias", "sampler-law", "sampler-work-precision"
    ),
    "flow-euler-stochastic": _marks(
        "flow-noise",
        "every step starts again from the mean prediction: right for a distilled model, too narrow for any other",
        "sampler-weak-order",
        "sampler-bias",
        "sampler-law",
        "sampler-work-precision",
    ),
    "deis-3": _marks("digits", _DIGITS, "sampler-order", "sampler-bias"),
    "sa-ode-3": _marks("digits", _DIGITS, "sampler-order", "sampler-bias"),
    "unipc-3": _marks("lower-order-final", _FINAL, "sampler-order"),
}
