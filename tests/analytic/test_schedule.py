"""Schedules: every coefficient to a few ulp at both ends, and a user's own functions held to each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import torch

from analytic import FieldUndefinedError, GaussianMixture, Interpolant, Schedule
from tests.analytic.builders import EPS, SCHEDULES, standard

TIMES = (0.0, 1e-12, 1e-6, 0.1, 0.3, 0.5 - 1e-12, 0.5, 0.5 + 1e-12, 0.7, 0.9, 1 - 1e-6, 1 - 1e-12, 1.0)
PATHS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "linear": lambda t: (1 - t, t),
    "trigonometric": lambda t: (mp.cos(mp.pi * t / 2), mp.sin(mp.pi * t / 2)),
    "encoding_decoding": lambda t: (
        mp.cos(mp.pi * t) ** 2 if t < 0.5 else mp.mpf(0),
        mp.cos(mp.pi * t) ** 2 if t > 0.5 else mp.mpf(0),
    ),
    "variance_preserving": lambda t: (mp.sqrt(1 - t * t), t),
}
PATHS |= {"one_sided_linear": PATHS["linear"], "one_sided_trigonometric": PATHS["trigonometric"]}
PATHS |= {"mirror": PATHS["linear"]}
LATENTS: dict[str, Callable[[Any], Any]] = {
    "brownian": lambda t: t * (1 - t),
    "quadratic": lambda t: (t * (1 - t)) ** 2,
    "sine_squared": lambda t: mp.sin(mp.pi * t) ** 4,
    "none": lambda t: 0 * t,
}


def derivative(function: Callable[[Any], Any], t: Any) -> Any:
    """Central difference at 60 digits: truncation 1e-30, rounding 1e-40, both far below float64."""
    h = mp.mpf(10) ** -20
    return (function(t + h) - function(t - h)) / (2 * h)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("t", TIMES)
def test_every_coefficient_is_right_to_a_few_ulp(name: str, t: float) -> None:
    """Against 60-digit functions and their differences, at the float64 t itself."""
    schedule = SCHEDULES[name]()
    got, path, latent = schedule.at(t), PATHS[schedule.name], LATENTS[schedule.latent]
    with mp.workdps(60):
        exact_t = mp.mpf(t)
        alpha, beta = path(exact_t)
        gamma2 = schedule.scale * latent(exact_t)
        wanted = {
            "alpha": alpha,
            "beta": beta,
            "gamma2": gamma2,
            "one_minus_alpha": 1 - alpha,
            "one_minus_beta": 1 - beta,
            "gamma_gamma_dot": schedule.scale * derivative(latent, exact_t) / 2,
        }
        singular = schedule.name == "variance_preserving" and t == 1.0
        if singular:
            assert got.alpha_dot == got.alpha_dot_beta == -np.inf
            wanted |= {"alpha_alpha_dot": mp.mpf(-1), "beta_beta_dot": mp.mpf(1), "beta_dot_alpha": mp.mpf(0)}
        else:
            alpha_dot, beta_dot = (derivative(lambda s, j=j: path(s)[j], exact_t) for j in (0, 1))
            wanted |= {
                "alpha_dot": alpha_dot,
                "beta_dot": beta_dot,
                "alpha_alpha_dot": alpha * alpha_dot,
                "beta_beta_dot": beta * beta_dot,
                "alpha_dot_beta": alpha_dot * beta,
                "beta_dot_alpha": beta_dot * alpha,
            }
        kink = mp.mpf(10) ** -18 if schedule.name == "encoding_decoding" and t == 0.5 else 0  # a step across it
        for key, value in wanted.items():
            # 16 eps: a sine of a rounded argument, to the fourth power, and a product. The absolute part is the
            # witness's own: a difference of 60-digit numbers of order one leaves 1e-38.
            error = abs(mp.mpf(getattr(got, key)) - value)
            assert error <= 16 * EPS * abs(value) + mp.mpf(10) ** -36 + kink, (key, getattr(got, key), value)
        assert abs(got.gamma**2 - got.gamma2) <= 4 * EPS * got.gamma2


@pytest.mark.parametrize("name", SCHEDULES)
def test_arrays_give_what_numbers_give(name: str) -> None:
    schedule, times = SCHEDULES[name](), np.array(TIMES)
    together, lent = schedule.at(times), schedule.at(torch.asarray(times))
    for i, t in enumerate(TIMES):
        for key, value in schedule.at(t)._asdict().items():
            assert isinstance(value, float)
            for got in (getattr(together, key)[i], float(getattr(lent, key)[i])):
                assert got == value or abs(got - value) <= 4 * EPS * abs(value), (key, t)
    assert isinstance(lent.gamma, torch.Tensor)


def test_names_and_errors() -> None:
    assert (Schedule.linear("none").latent, Schedule.linear().one_sided) == ("none", False)
    assert Schedule.variance_preserving().one_sided
    with pytest.raises(ValueError, match=r"latent: expected one of .* got 'brown'"):
        Schedule.linear("brown")
    for scale in (0.0, -1.0, float("inf"), "1"):
        with pytest.raises(ValueError, match="scale: expected a positive finite number"):
            Schedule.trigonometric(scale=scale)
    with pytest.raises(FieldUndefinedError, match=r"t: .* got 1.5"):
        Schedule.linear().at(np.array([0.5, 1.5]))
    with pytest.raises(ValueError, match="t: expected a float or shape"):
        Schedule.linear().at(np.zeros((2, 2)))


GOOD = {
    "alpha": lambda t: np.cos(np.pi * t / 2),
    "alpha_dot": lambda t: -np.pi / 2 * np.sin(np.pi * t / 2),
    "beta": lambda t: t**2,
    "beta_dot": lambda t: 2 * t,
    "gamma2": lambda t: t * (1 - t),
    "gamma2_dot": lambda t: 1 - 2 * t,
}
# cos(pi / 2) is 6e-17 in float64: within the rounding that the boundary check allows.


def test_custom_schedule_serves_every_library() -> None:
    """NumPy callables, torch points, vector times: the same field as the named schedule they spell out."""
    spelled = Schedule.custom(
        **GOOD | {"beta": lambda t: np.sin(np.pi * t / 2), "beta_dot": lambda t: np.pi / 2 * np.cos(np.pi * t / 2)}
    )
    law = GaussianMixture([0.4, 0.6], [[1.0, 0.0], [0.0, -2.0]], [0.5, 0.2])
    x, t = (
        torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),
        torch.linspace(0.1, 0.9, 6),
    )
    mine, named = (Interpolant((standard(2), law), s) for s in (spelled, Schedule.trigonometric()))
    wanted = named.velocity(t, x)
    torch.testing.assert_close(mine.velocity(t, x), wanted, rtol=0, atol=100 * EPS * float(wanted.abs().max()))
    assert (spelled.name, spelled.latent) == ("custom", "custom")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha_dot": lambda t: np.pi / 2 * np.sin(np.pi * t / 2)}, r"alpha_dot: inconsistent .* at t = "),
        ({"beta_dot": lambda t: 2 * t + 1e-9}, "beta_dot: inconsistent with its function at t"),
        ({"gamma2_dot": lambda t: 0.5 - t}, "gamma2_dot: inconsistent"),  # gamma gamma_dot for its double
        ({"gamma2": lambda t: t * (t - 1), "gamma2_dot": lambda t: 2 * t - 1}, "gamma2: expected gamma2 >= 0"),
        ({"gamma2": lambda t: t, "gamma2_dot": np.ones_like}, r"gamma2: expected gamma2\(1\) = 0, got 1"),
        (
            {"alpha": lambda t: 1 - t / 2, "alpha_dot": lambda t: -0.5 + 0 * t},
            r"alpha: expected alpha\(1\) = 0, got 0.5",
        ),
        ({"beta": lambda t: 1 - t, "beta_dot": lambda t: -1 + 0 * t}, r"beta: expected beta\(0\) = 0, got 1"),
        ({"beta_dot": lambda t: t[:2]}, r"beta_dot: expected shape \(61,\) or a number"),
        ({"alpha_dot": lambda t: np.nan * t}, "alpha_dot: inconsistent"),
        ({"alpha_alpha_dot": lambda t: -t}, "alpha_alpha_dot: inconsistent"),
        ({"one_sided": True}, "gamma2: a one-sided schedule has gamma2 = 0"),
    ],
)
def test_inconsistent_functions_are_told_apart(change: dict[str, Any], message: str) -> None:
    Schedule.custom(**GOOD)
    with pytest.raises(ValueError, match=message):
        Schedule.custom(**GOOD | change)


def test_honest_steep_functions_raise_no_false_alarm() -> None:
    """Kinks, square roots at the ends and fast oscillation widen the band instead of failing."""
    Schedule.custom(**GOOD | {"beta": np.sqrt, "beta_dot": lambda t: 0.5 / np.sqrt(t)})
    wobble = {
        "beta": lambda t: t + 0.01 * np.sin(40 * np.pi * t),
        "beta_dot": lambda t: 1 + 0.4 * np.pi * np.cos(40 * np.pi * t),
    }
    Schedule.custom(**GOOD | wobble)
    kinked = {"gamma2": lambda t: np.minimum(t, 1 - t), "gamma2_dot": lambda t: np.where(t < 0.5, 1.0, -1.0)}
    with pytest.raises(ValueError, match=r"at t = 0\.5"):  # no derivative there at all: rightly refused
        Schedule.custom(**GOOD | kinked)
