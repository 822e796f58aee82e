"""Reading a user's weights without executing anything: safetensors, or torch.load(weights_only=True)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

_PLACES = ("ema", "model", "state_dict")


def read_weights(path: str | Path) -> dict[str, Any]:
    """The state dict in a ``.safetensors`` file or a torch checkpoint; never a pickle of anything but tensors.

    A checkpoint that holds several is looked up under "ema", "model", "state_dict", in this order. Raises ValueError
    for a file that is missing or holds no state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"checkpoint: no such file {str(path)!r}")
    if path.suffix == ".safetensors":
        try:
            from safetensors.torch import load_file
        except ImportError as error:
            raise ValueError(f"checkpoint: {path.name} needs the package safetensors ({error})") from error
        return dict(load_file(path))
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"checkpoint: {path.name} holds more than tensors, or is damaged ({error})") from error
    for place in _PLACES:
        if isinstance(found, dict) and isinstance(found.get(place), dict):
            found = found[place]
            break
    if not isinstance(found, dict) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise ValueError(f"checkpoint: expected a state dict of tensors in {path.name}, found {type(found).__name__}")
    return found


def load_module(module: nn.Module, path: str | Path) -> nn.Module:
    """``module`` with the weights of a checkpoint, in eval mode."""
    module.load_state_dict(read_weights(path))
    return module.eval()
