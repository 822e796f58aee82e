"""Scripted noise: what a sampler draws, decided by us, so that its randomness can be probed like any other input.

Samplers draw their own normals. Inside ``ScriptedNoise`` every call of torch that draws them (randn, randn_like,
normal, Tensor.normal_) is answered by a script instead. The k-th draw of a run is remembered with its shape, so that a
second run can be handed zeros, unit vectors or chosen values in the same places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

Script = Callable[[int, tuple[int, ...]], torch.Tensor]


class ScriptedNoise(TorchFunctionMode):
    """While active, the k-th normal draw of shape s is ``script(k, s)``, times std plus mean, in its own dtype."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self._script = script
        self.shapes: list[tuple[int, ...]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.randn:
            size = kwargs.get("size", args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args)
            return self._draw(tuple(size), kwargs.get("dtype"), kwargs.get("device"))
        if func is torch.randn_like:
            like = args[0]
            return self._draw(tuple(like.shape), kwargs.get("dtype") or like.dtype, like.device)
        if func is torch.normal:
            return self._normal(args, kwargs)
        if func is torch.Tensor.normal_:
            return self._fill(*args, **kwargs)
        return func(*args, **kwargs)

    def _draw(self, shape: tuple[int, ...], dtype: torch.dtype | None, device: Any) -> torch.Tensor:
        value = self._script(len(self.shapes), shape)
        self.shapes.append(shape)
        return value.reshape(shape).to(dtype=dtype or torch.get_default_dtype(), device=device)

    def _normal(self, args: Any, kwargs: Any) -> torch.Tensor:
        mean, std = (kwargs.get(name, args[i] if len(args) > i else None) for i, name in enumerate(("mean", "std")))
        mean, std = 0.0 if mean is None else mean, 1.0 if std is None else std
        size = kwargs.get("size", args[2] if len(args) > 2 else None)
        tensors = [v for v in (mean, std) if isinstance(v, torch.Tensor)]
        shape = tuple(size) if size is not None else tuple(torch.broadcast_shapes(*(v.shape for v in tensors)))
        dtype = kwargs.get("dtype") or (tensors[0].dtype if tensors else None)
        device = kwargs.get("device") or (tensors[0].device if tensors else None)
        return mean + std * self._draw(shape, dtype, device)

    def _fill(self, tensor: torch.Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> torch.Tensor:
        drawn = self._draw(tuple(tensor.shape), tensor.dtype, tensor.device)
        return tensor.copy_(mean + std * drawn)
