"""Divergence of a field at points: exact by D reverse passes, and Hutchinson's estimate by one.

Hutchinson: E[vᵀ ∇f v] = ∇·f for E[v vᵀ] = I. With J the symmetric part of ∇f the variance of one probe is 2‖J‖²_F for
Gaussian probes and 2(‖J‖²_F − Σ J_ii²) for Rademacher ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

Tensor = torch.Tensor
Field = Callable[[float, Tensor], Tensor]
PROBES = ("gaussian", "rademacher")


def value_and_divergence(field: Field, t: float, x: Tensor) -> tuple[Tensor, Tensor]:
    """f (N, D) and ∇·f (N,) at x (N, D)."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_(True)
        value = field(t, leaf)
        total = torch.zeros_like(value[:, 0])
        for d in range(x.shape[1]):
            (row,) = torch.autograd.grad(
                value[:, d].sum(), leaf, retain_graph=d + 1 < x.shape[1], materialize_grads=True
            )
            total = total + row[:, d]
    return value.detach(), total.detach()


def value_and_probe(field: Field, t: float, x: Tensor, probe: Tensor) -> tuple[Tensor, Tensor]:
    """f (N, D) and vᵀ ∇f v (N,) for the probes v (N, D)."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_(True)
        value = field(t, leaf)
        (pulled,) = torch.autograd.grad(value, leaf, probe, materialize_grads=True)
    return value.detach(), (pulled * probe).sum(1)


def value_and_probes(field: Field, t: float, x: Tensor, probes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """f (N, D) and the mean of vᵀ ∇f v (N,) over several probes: the field is evaluated once."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_(True)
        value = field(t, leaf)
        total = torch.zeros_like(value[:, 0])
        for i, probe in enumerate(probes):
            kept = i + 1 < len(probes)
            (pulled,) = torch.autograd.grad(value, leaf, probe, retain_graph=kept, materialize_grads=True)
            total = total + (pulled * probe).sum(1)
    return value.detach(), total.detach() / len(probes)


def draw_probe(like: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Probes with E[v vᵀ] = I, in the shape, dtype and device of ``like``; drawn on the generator's device."""
    if kind not in PROBES:
        raise ValueError(f"kind: expected one of {', '.join(PROBES)}, got {kind!r}")
    if kind == "gaussian":
        drawn = torch.randn(like.shape, generator=generator, dtype=like.dtype, device=generator.device)
    else:
        drawn = 2.0 * torch.randint(0, 2, like.shape, generator=generator, device=generator.device).to(like.dtype) - 1.0
    return drawn.to(like.device)
