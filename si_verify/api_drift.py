"""The Python face of learned drifts: hand over a module, a checkpoint or a loss, get a Record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from si_verify.record import Record
from si_verify.subject import Claims, Subject, SubjectError

# A field that is zero everywhere errs by 1: a claim must be well below it to mean anything.
CLAIMED = 0.05


def check_drift(
    module: Any,
    quantity: str = "velocity",
    *,
    problem: str,
    checkpoint: str | Path | None = None,
    score: Any = None,
    relative_error: float = CLAIMED,
    gradient: bool = False,
    residual: float | None = None,
    name: str = "",
    **options: Any,
) -> Record:
    """Verify a learned field f(t, x) -> (N, D) of one problem; t is (N,), x is (N, D).

    quantity: what it was trained for, "velocity", "interpolant_velocity", "score" or "denoiser"; module: a callable, a
    torch module, or with ``checkpoint`` a module's class or factory, called without arguments, whose weights are read
    from a ``.safetensors`` file or by ``torch.load(weights_only=True)``; no pickle is executed. score: a learned score
    that goes with a velocity. relative_error: what is claimed in L2 over (t, x_t), 5 % unless said; gradient: that ∇f
    is symmetric; residual: what is claimed of ∇·δ + δ·s, δ = f̂ − f, in units of ∂_t log ρ.
    problem: a name of the catalogue with a latent, or an expression over such. ``options``: see ``verify_subject``.
    Raises ValueError or TypeError for what cannot be meant.
    """
    from si_verify.api import verify_subject

    subject = drift_subject(
        lambda: module, quantity, checkpoint=checkpoint, score=score, relative_error=relative_error, gradient=gradient,
        residual=residual, name=name or getattr(module, "__qualname__", type(module).__name__),
    )  # fmt: skip
    if not callable(module):
        raise TypeError(f"module: expected a callable f(t, x), got {type(module).__name__}")
    return verify_subject(subject, problem=problem, **options)


def drift_subject(
    load: Callable[[], Any],
    quantity: str = "velocity",
    *,
    checkpoint: str | Path | None = None,
    score: Any = None,
    relative_error: float = CLAIMED,
    gradient: bool = False,
    residual: float | None = None,
    name: str = "drift",
) -> Subject:
    """The Subject of a learned field; ``load`` answers what ``check_drift`` takes as module. For the command line."""
    from si_verify.learning.objectives import QUANTITIES

    if quantity not in QUANTITIES:
        raise ValueError(f"quantity: expected one of {', '.join(QUANTITIES)}, got {quantity!r}")
    if residual is not None and not residual > 0.0:
        raise ValueError(f"residual: expected a number > 0, got {residual!r}")
    if not relative_error > 0.0:
        raise ValueError(f"relative_error: expected a number > 0, got {relative_error!r}")
    if checkpoint is not None:
        # Read once before anything runs: a file that cannot be meant is a mistake of usage, not of the subject.
        from si_verify.learning.checkpoint import read_weights

        read_weights(checkpoint)
    given = (quantity, "score") if score is not None else (quantity,)
    extra: dict[str, Any] = {"relative_error": float(relative_error), "gradient": gradient}
    extra |= {} if residual is None else {"residual": float(residual)}
    claims = Claims(quantities=given, extra=extra)

    def build() -> Any:
        from si_verify.learning.fields import as_field

        own = {quantity: as_field(_module(load(), checkpoint))}
        if score is not None:
            own["score"] = as_field(score)
        return lambda interpolant, dtype, device: own

    return Subject(name, "drift", build, claims, frozenset({"user"}), dtypes=("float64", "float32"))


def _module(target: Any, checkpoint: str | Path | None) -> Any:
    """The module itself, or one made by its class or factory, with a checkpoint's weights."""
    from torch import nn

    from si_verify.learning.checkpoint import load_module

    if (isinstance(target, type) and issubclass(target, nn.Module)) or (
        checkpoint is not None and not isinstance(target, nn.Module)
    ):
        try:
            target = target()
        except Exception as error:
            raise SubjectError(f"module: called without arguments it raised {type(error).__name__}: {error}") from error
    if checkpoint is None:
        return target
    if not isinstance(target, nn.Module):
        raise SubjectError(
            f"module: expected a torch module to put the checkpoint's weights in, got {type(target).__name__}"
        )
    try:
        return load_module(target, checkpoint)
    except ValueError as error:
        raise SubjectError(str(error)) from error


def check_objective(loss: Callable[..., Any], quantity: str = "velocity", *, name: str = "", **options: Any) -> Record:
    """Verify ``loss(field, interpolant, t, x0, x1, z) -> (N,)``, one loss a row, against its minimum and excess.

    field(t, x) is what is being learned, t (N,), x0, x1, z (N, D) the draws; ``quantity`` as in ``check_drift``.
    """
    from si_verify.api import verify_subject
    from si_verify.learning.guard import Objective
    from si_verify.learning.objectives import QUANTITIES

    if not callable(loss):
        raise TypeError(f"loss: expected a callable, got {type(loss).__name__}")
    if quantity not in QUANTITIES:
        raise ValueError(f"quantity: expected one of {', '.join(QUANTITIES)}, got {quantity!r}")
    claims = Claims(quantities=(quantity,), extra={"form": "objective"})
    title = name or getattr(loss, "__qualname__", type(loss).__name__)
    return verify_subject(Subject(title, "drift", lambda: Objective(loss), claims, frozenset({"user"})), **options)
