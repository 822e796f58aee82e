"""Training a field as a user would: AdamW, warm-up and cosine, EMA, mixed precision on CUDA, resume, progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from si_verify.learning.batches import BatchSource
from si_verify.learning.objectives import QuadraticObjective

Tensor = torch.Tensor


@dataclass(frozen=True)
class TrainSettings:
    """steps and rows a step; peak rate of AdamW after ``warmup`` steps, then a cosine to 0; EMA decay; law of t.

    amp: bfloat16 autocast, on CUDA only. keep_every: a checkpoint every so many steps (0: at the end only).
    """

    steps: int = 3000
    rows: int = 1024
    rate: float = 2e-3
    warmup: int = 100
    weight_decay: float = 0.0
    ema: float = 0.998
    clip: float = 1.0
    antithetic: bool = True
    time_law: str = "stratified"
    amp: bool = True
    seed: int = 0
    keep_every: int = 0


@dataclass(frozen=True)
class Progress:
    """What a callback is told: step, steps, mean loss since the last report, seconds gone and left."""

    step: int
    steps: int
    loss: float
    seconds: float
    left: float


@dataclass
class Trained:
    """The averaged model, the loss reported along the way, and the seconds it took."""

    model: nn.Module
    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0


def learning_rate(settings: TrainSettings, step: int) -> float:
    """Linear warm-up, then half a cosine to zero."""
    if step < settings.warmup:
        return settings.rate * (step + 1) / settings.warmup
    share = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.rate * 0.5 * (1.0 + math.cos(math.pi * share))


def train(
    model: nn.Module,
    interpolant: Any,
    quantity: str,
    settings: TrainSettings = TrainSettings(),
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop_after: int | None = None,
) -> Trained:
    """Minimise the objective of ``quantity``; the answer's model holds the EMA weights.

    Deterministic under ``settings.seed`` on one device; ``checkpoint`` is written as plain tensors and, where it exists
    and its settings agree, gone on with to the same result as an uninterrupted run. ``stop_after`` ends early, to be
    resumed. Raises ValueError where a checkpoint belongs to other settings.
    """
    device = torch.device(device)
    model = model.to(device)
    average = deepcopy(model).requires_grad_(False)
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
    source, loss = BatchSource(interpolant, settings.time_law), QuadraticObjective(quantity, settings.antithetic)
    generator = torch.Generator(device).manual_seed(settings.seed)
    begin, out = 0, Trained(average)
    if checkpoint is not None and checkpoint.exists():
        begin = _resume(checkpoint, settings, quantity, model, average, optimiser, generator, out)
    started, before, total, since = time.perf_counter(), out.seconds, torch.zeros((), device=device), 0
    end = min(settings.steps, stop_after or settings.steps)
    for step in range(begin, end):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(settings, step)
        batch = source.draw(settings.rows, generator)
        with torch.autocast("cuda", torch.bfloat16, enabled=settings.amp and device.type == "cuda"):
            value = (loss(model, interpolant, *batch[:1], *batch[2:]) * batch.weight).mean()
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimiser.step()
        _average(average, model, min(settings.ema, (step + 1.0) / (step + 10.0)))
        total, since = total + value.detach(), since + 1
        if since == 100 or step + 1 == end:
            seconds = time.perf_counter() - started
            out.steps.append(step + 1)
            out.losses.append(float(total) / since)
            if progress is not None:
                left = seconds / (step + 1 - begin) * (settings.steps - step - 1)
                progress(Progress(step + 1, settings.steps, out.losses[-1], seconds, left))
            total, since = torch.zeros((), device=device), 0
        wanted = settings.keep_every and (step + 1) % settings.keep_every == 0
        if checkpoint is not None and (wanted or step + 1 == end):
            out.seconds = before + time.perf_counter() - started
            save(checkpoint, step + 1, settings, quantity, model, average, optimiser, generator, out)
    out.seconds = before + time.perf_counter() - started
    return out


@torch.no_grad()
def _average(average: nn.Module, model: nn.Module, decay: float) -> None:
    mean = [p.data for p in average.parameters()]
    now = [p.detach() for p in model.parameters()]
    torch._foreach_lerp_(mean, now, 1.0 - decay)


def save(path: Path, step: int, settings: TrainSettings, quantity: str, model: nn.Module, average: nn.Module,
         optimiser: torch.optim.Optimizer, generator: torch.Generator, told: Trained) -> None:  # fmt: skip
    """Everything that resuming needs, readable with weights_only=True; replaced in one move, never half written."""
    state = {
        "step": step, "settings": asdict(settings), "quantity": quantity, "model": model.state_dict(),
        "ema": average.state_dict(), "optimiser": optimiser.state_dict(), "generator": generator.get_state(),
        "told": {"steps": told.steps, "losses": told.losses, "seconds": told.seconds},
    }  # fmt: skip
    partial = path.with_name(path.name + ".part")
    torch.save(state, partial)
    partial.replace(path)


def _resume(path: Path, settings: TrainSettings, quantity: str, model: nn.Module, average: nn.Module,
            optimiser: torch.optim.Optimizer, generator: torch.Generator, told: Trained) -> int:  # fmt: skip
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["settings"] != asdict(settings) or state["quantity"] != quantity:
        raise ValueError(f"checkpoint: {path} belongs to other settings ({state['quantity']}, {state['settings']})")
    model.load_state_dict(state["model"])
    average.load_state_dict(state["ema"])
    optimiser.load_state_dict(state["optimiser"])
    generator.set_state(state["generator"])
    told.steps, told.losses, told.seconds = (state["told"][k] for k in ("steps", "losses", "seconds"))
    return int(state["step"])
