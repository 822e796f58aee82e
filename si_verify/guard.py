"""Guard: the thin shell around an implementation that turns every breach of its interface into a ``SubjectError``.

It holds what is true of every call: inputs stay unchanged, the answer has the shape, dtype and device of the state,
exceptions belong to the subject. Non-finite answers pass through: a NaN violates every bound (see gate.judge), while
an explicit scheme may rightly blow up on the coarsest rung of a ladder.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from si_verify.check import Inapplicable
from si_verify.sampling.interface import Sampler
from si_verify.subject import SubjectError, Unavailable

_OURS = (SubjectError, Unavailable, Inapplicable)


def _tensors(args: tuple[Any, ...]) -> list[torch.Tensor]:
    return [a for a in args if isinstance(a, torch.Tensor)]


def _call(name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    inputs = _tensors(args)
    before = [a.clone() for a in inputs]
    try:
        answer = function(*args, **kwargs)
    except _OURS:
        raise
    except (Exception, SystemExit) as error:
        raise SubjectError(f"{name} raised {type(error).__name__}: {error}") from error
    for index, (now, then) in enumerate(zip(inputs, before, strict=True)):
        if now.shape != then.shape or not torch.equal(now.nan_to_num(), then.nan_to_num()):
            raise SubjectError(f"{name} changed its input (tensor argument {index})")
    return answer


def _expect(name: str, answer: Any, shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    if not isinstance(answer, torch.Tensor):
        raise SubjectError(f"{name}: expected a torch.Tensor, got {type(answer).__name__}")
    if tuple(answer.shape) != shape:
        raise SubjectError(f"{name}: expected shape {shape}, got {tuple(answer.shape)}")
    if answer.dtype != like.dtype:
        raise SubjectError(f"{name}: expected dtype {like.dtype} (that of the state), got {answer.dtype}")
    if answer.device != like.device:
        raise SubjectError(f"{name}: expected device {like.device} (that of the state), got {answer.device}")
    return answer


def guard_solver(solve: Callable[..., Any]) -> Callable[..., torch.Tensor]:
    """Guard ``solve(..., x0, times, ...) -> x``: x0 is the first tensor argument, the answer is like it."""

    @functools.wraps(solve, updated=())
    def guarded(*args: Any, **kwargs: Any) -> torch.Tensor:
        x0 = _tensors(args)[0]
        return _expect("solve", _call("solve", solve, args, kwargs), tuple(x0.shape), x0)

    return guarded


_A_NUMBER_A_ROW = {
    "log_density", "divergence", "laplacian_log_density", "divergence_estimate", "laplacian_estimate",
}  # fmt: skip


def _guard_quantity(quantity: str, f: Callable[..., Any]) -> Callable[..., torch.Tensor]:
    def guarded(t: float | torch.Tensor, x: torch.Tensor, *probe: Any) -> torch.Tensor:
        shape = (x.shape[0],) if quantity in _A_NUMBER_A_ROW else tuple(x.shape)
        return _expect(quantity, _call(quantity, f, (t, x, *probe), {}), shape, x)

    return guarded


def guard_field(build: Callable[..., Any]) -> Callable[..., dict[str, Callable[..., torch.Tensor]]]:
    """Guard ``build(interpolant, dtype, device) -> {quantity: f(t, x)}`` and every f in its answer."""

    def guarded(interpolant: Any, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[..., torch.Tensor]]:
        fields = _call("build", build, (interpolant, dtype, device), {})
        if not isinstance(fields, dict) or not fields:
            raise SubjectError(f"build: expected a non-empty dict of fields, got {type(fields).__name__}")
        return {quantity: _guard_quantity(quantity, f) for quantity, f in fields.items()}

    return guarded


def guard_density(solve: Callable[..., Any]) -> Callable[..., Any]:
    """Guard ``solve(problem, ...)`` of kind pde; the problem says what an answer must look like."""

    @functools.wraps(solve, updated=())
    def guarded(problem: Any, *args: Any) -> Any:
        given = problem.initial.clone()
        answer = _call("solve", solve, (problem, *args), {})
        if not torch.equal(given, problem.initial):
            raise SubjectError("solve changed its input (problem.initial)")
        for name, value, shape in problem.expected(answer, *args):
            _expect(f"solve ({name})" if name else "solve", value, shape, problem.initial)
        return answer

    return guarded


def guard_path(plan: Callable[..., Any]) -> Callable[..., Callable[..., torch.Tensor]]:
    """Guard ``plan(...) -> run`` and ``run(x0, seed, ...) -> x``."""

    @functools.wraps(plan, updated=())
    def guarded(*args: Any, **kwargs: Any) -> Callable[..., torch.Tensor]:
        run = _call("plan", plan, args, kwargs)
        if not callable(run):
            raise SubjectError(f"plan: expected a callable run(x0, seed), got {type(run).__name__}")

        def ran(x0: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:
            return _expect("run", _call("run", run, (x0, *rest), named), tuple(x0.shape), x0)

        return ran

    return guarded


def guard_sampler(sampler: Callable[..., Any]) -> Callable[..., torch.Tensor]:
    """Guard ``sample(model, x, steps, generator) -> x``; a Sampler keeps its clock, prediction and levels."""
    inner = sampler.sample if isinstance(sampler, Sampler) else sampler

    @functools.wraps(inner, updated=())
    def guarded(*args: Any, **kwargs: Any) -> torch.Tensor:
        x = _tensors(args)[0]
        return _expect("sample", _call("sample", inner, args, kwargs), tuple(x.shape), x)

    return replace(sampler, sample=guarded) if isinstance(sampler, Sampler) else guarded


def guard(kind: str, implementation: Any) -> Any:
    """The guarded implementation of a subject of this kind."""
    if not callable(implementation):
        raise SubjectError(f"expected a callable of kind {kind!r}, got {type(implementation).__name__}")
    if kind == "field":
        return guard_field(implementation)
    if kind in ("ode", "sde"):
        return guard_solver(implementation)
    if kind == "pde":
        return guard_density(implementation)
    if kind == "sampler":
        return guard_sampler(implementation)
    if kind == "path":
        return guard_path(implementation)
    if kind == "likelihood":
        from si_verify.likelihood.guard import guard_likelihood

        return guard_likelihood(implementation)
    if kind == "drift":
        from si_verify.learning.guard import guard_drift

        return guard_drift(implementation)
    return implementation
