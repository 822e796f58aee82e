"""The catalogue: every problem builds, exists where it says, and earns its tags by measurement."""

from __future__ import annotations

import pickle
import subprocess
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from analytic import problems
from analytic.flow import GaussianFlow, ProductFlow, amplification, reference_flow
from analytic.problems import TAGS, Problem
from analytic.product_law import product_lines

ALL = problems.all()
LIGHT = [p for p in ALL if not p.has("costly")]


def named(members: list[Problem] | tuple[Problem, ...]) -> list:  # type: ignore[type-arg]
    return [pytest.param(p, id=p.name) for p in members]


@cache
def times_of(problem: Problem) -> np.ndarray:
    """Across the span and crowded at both of its ends, where layers are."""
    a, b = problem.t_span
    near = np.geomspace(1e-9, 0.1, 12) * (b - a)
    return np.unique(np.concatenate([np.linspace(a, b, 9), a + near, b - near]))


def needs(problem: Problem) -> None:
    if problem.has("data-extra"):
        pytest.importorskip("sklearn", reason="the extra `data` is not installed")


def test_the_catalogue_is_large_stable_and_uniquely_named() -> None:
    assert len(ALL) >= 24
    assert len(set(problems.names())) == len(ALL)
    assert problems.all() is ALL
    assert sum(len(members) for members in problems.families().values()) == len(ALL)
    assert all(problem.regime and "\n" not in problem.regime for problem in ALL)
    assert {tag for p in ALL for tag in p.tags} == set(TAGS)  # a tag nobody carries is a typo


def test_a_wrong_name_is_answered_with_near_ones() -> None:
    assert problems.get("2d-ring").name == "2d-ring"
    with pytest.raises(ValueError, match="2d-ring"):
        problems.get("2d-rings")
    with pytest.raises(ValueError, match="tags"):
        problems.select("2D")


def test_importing_the_catalogue_loads_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys; from analytic import problems; problems.all(); "
        "sys.exit(bool({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_problem_travels_between_processes_without_its_arrays() -> None:
    problem = problems.get("2d-checkerboard")
    assert problem.interpolant is problem.interpolant
    copy = pickle.loads(pickle.dumps(problem))
    assert "interpolant" not in copy.__dict__
    assert copy.interpolant.dim == 2


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"name": "Two_D"}, "name"),
        ({"tags": frozenset({"2-d"})}, "tags"),
        ({"t_span": (0.5, 0.5)}, "t_span"),
        ({"window": ((0.0, 1.0),)}, "window"),
    ],
)
def test_a_malformed_problem_is_refused(change: dict[str, object], match: str) -> None:
    good = problems.get("2d-ring")
    fields = good.__getstate__() | change
    with pytest.raises(ValueError, match=match):
        Problem(**fields)


@pytest.mark.parametrize("problem", named(ALL))
def test_fields_exist_across_the_span(problem: Problem) -> None:
    needs(problem)
    interpolant = problem.interpolant
    for t in times_of(problem)[:: 5 if problem.has("costly") else 1]:
        x = interpolant.sample(float(t), 4, 1)
        for value in (interpolant.log_density(t, x), interpolant.score(t, x), interpolant.velocity(t, x)):
            assert np.all(np.isfinite(value)), t


@pytest.mark.parametrize("problem", named(ALL))
def test_declared_sizes_and_tags_are_those_of_the_interpolant(problem: Problem) -> None:
    needs(problem)
    interpolant, coupling = problem.interpolant, problem.interpolant.coupling
    schedule = interpolant.schedule
    assert (problem.dim, problem.n_components) == (interpolant.dim, coupling.n_components)
    facts = {
        "1d": problem.dim == 1,
        "2d": problem.dim == 2,
        "high-dimensional": problem.dim > 3,
        "gaussian": problem.n_components == 1,
        "mixture": problem.n_components > 1,
        "many-components": problem.n_components >= 100,
        "independent": coupling.uncorrelated,
        "correlated": not coupling.uncorrelated,
        "mirror": coupling.tied,
        "one-sided": schedule.one_sided,
        "no-latent": schedule.at(0.5).gamma2 == 0.0,
        "latent": schedule.at(0.5).gamma2 > 0.0,
        "trigonometric": "trigonometric" in schedule.name,
        "encoding-decoding": schedule.name == "encoding_decoding",
        "dataset": not np.any(coupling.cov11),
    }
    # An order is fitted only where the method's own is what shows.
    assert not (problem.has("order") and problem.tags & {"singular-ends", "kink", "time-symmetric", "stiff"})
    wrong = {tag: fact for tag, fact in facts.items() if problem.has(tag) is not bool(fact)}
    assert not wrong


@pytest.mark.parametrize("problem", named(LIGHT))
def test_the_tags_on_flows_are_what_the_flow_module_finds(problem: Problem) -> None:
    flow = reference_flow(problem.interpolant)
    assert flow.exact is problem.has("exact-flow")
    assert (product_lines(problem.interpolant) is not None) is problem.has("product")
    assert isinstance(flow.flow, GaussianFlow) is problem.has("gaussian")
    assert isinstance(flow.flow, ProductFlow) is (problem.has("product") and not problem.has("gaussian"))


@pytest.mark.parametrize("problem", named(LIGHT))
def test_stiffness_and_sde_tags_are_measured(problem: Problem) -> None:
    interpolant = problem.interpolant
    smallest, steepest = np.inf, 0.0
    for t in times_of(problem):
        moments = interpolant.moments(float(t))
        cov = np.asarray(moments.cov)
        smallest = min(smallest, np.linalg.eigvalsh(cov).min() if cov.ndim == 3 else cov.min())
        jacobians = interpolant.velocity_jacobian(float(t), interpolant.sample(float(t), 50, 1))
        steepest = max(steepest, float(np.linalg.norm(jacobians, 2, axis=(1, 2)).max()))
    assert problem.has("sde-ok") is bool(smallest >= 0.01)
    assert problem.has("stiff") is bool(steepest > 100.0)


@pytest.mark.parametrize("problem", named(LIGHT))
def test_windows_hold_the_law(problem: Problem) -> None:
    interpolant = problem.interpolant
    low, high = np.array(problem.window).T
    for t in np.linspace(*problem.t_span, 5):
        x = interpolant.sample(float(t), 500, 3)[:, : len(low)]
        inside = np.all((x >= low) & (x <= high), axis=1).mean()
        assert inside > 0.97, t


def runge_kutta(problem: Problem, x: np.ndarray, steps: int) -> np.ndarray:
    velocity, (a, b) = problem.interpolant.velocity, problem.t_span
    edges = np.linspace(a, b, steps + 1)
    for s, t in pairwise(edges):
        h, m = t - s, 0.5 * (s + t)
        k1 = velocity(s, x)
        k2 = velocity(m, x + 0.5 * h * k1)
        k3 = velocity(m, x + 0.5 * h * k2)
        k4 = velocity(t, x + h * k3)
        x = x + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return x


@pytest.mark.parametrize("problem", named([p for p in ALL if p.has("exact-flow")]))
def test_order_tags_say_what_runge_kutta_shows(problem: Problem) -> None:
    """RK4 shows its order 4 where "order" is claimed, loses it where a tag says so."""
    flow = reference_flow(problem.interpolant)
    x = problem.interpolant.sample(problem.t_span[0], 20, 3)
    exact = flow(x, *problem.t_span)
    # Odd numbers of steps, so that no step ends on t = ½ and hides a kink there.
    floor = 16 * np.finfo(np.float64).eps * 257 + np.max(flow.error(x, *problem.t_span))
    ladder, errors, orders = [], [], [np.inf]
    for steps in (9, 17, 33, 65, 129, 257):
        ladder.append(steps)
        errors.append(np.sqrt(np.mean((runge_kutta(problem, x, steps) - exact) ** 2)))
        if len(errors) > 1:
            orders.append(np.log(errors[-2] / errors[-1]) / np.log(ladder[-1] / ladder[-2]))
        # Refined until the order settles, or the error nears the rounding of the steps and of the reference.
        settled = abs(orders[-1] - orders[-2]) < 0.04 if len(orders) > 4 else False
        if len(errors) > 1 and (settled or errors[-1] < 200.0 * floor):
            break
    order = orders[-1]
    if problem.has("order"):
        assert errors[-1] > 4.0 * floor
        assert order == pytest.approx(4.0, abs=0.25)
    if problem.has("singular-ends") or problem.has("kink"):
        assert order < 3.0
    if problem.has("time-symmetric"):
        assert order > 4.5


@pytest.mark.parametrize("problem", named([p for p in problems.select("order") if not p.has("exact-flow")]))
def test_order_tags_without_an_exact_flow_show_in_the_differences(problem: Problem) -> None:
    """RK4 at n, 2n, 4n steps: the differences fall by 2⁴, no reference needed."""
    x = problem.interpolant.sample(problem.t_span[0], 1 if problem.has("costly") else 20, 3)
    ladder = (10, 20, 40) if problem.has("costly") else (50, 100, 200)
    coarse, middle, fine = (runge_kutta(problem, x, n) for n in ladder)
    order = np.log2(np.linalg.norm(coarse - middle) / np.linalg.norm(middle - fine))
    assert order == pytest.approx(4.0, abs=0.25)


def test_amplification_stays_moderate_where_orders_are_fitted() -> None:
    for problem in problems.select("order", "exact-flow"):
        x = problem.interpolant.sample(0.0, 5, 3)
        assert np.max(amplification(reference_flow(problem.interpolant), x, 0.0, 1.0, 9)) < 100.0, problem.name
