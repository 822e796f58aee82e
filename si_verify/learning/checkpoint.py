"""Reading a user's weights without executing anything: safetensors, or torch.load(weights_only=True)."""

from __future__ import annotations

import warnings
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
        try:
            return dict(load_file(path))
        except Exception as error:
            raise ValueError(f"checkpoint: {path.name} is no safetensors file ({error})") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols: what matters is whether it loads
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"checkpoint: {path.name} is damaged or holds more than tensors, and nothing in it was executed; save "
            f"state_dict() of the module, not the module ({_short(error)})"
        ) from error
    for place in _PLACES:
        if isinstance(found, dict) and isinstance(found.get(place), dict):
            found = found[place]
            break
    if not isinstance(found, dict) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise ValueError(f"checkpoint: expected a state dict of tensors in {path.name}, found {type(found).__name__}")
    return found


def _short(error: Exception) -> str:
    """What torch found, without its advice to unpickle: the line that names the offending global, or the first."""
    lines = str(error).splitlines() or [type(error).__name__]
    named = next((line for line in lines if "GLOBAL" in line or "Unsupported" in line), lines[0])
    return named.strip().split(" was not an allowed")[0][:160]


def load_module(module: nn.Module, path: str | Path) -> nn.Module:
    """``module`` with the weights of a checkpoint, in eval mode. Raises ValueError where they do not fit."""
    weights, own = read_weights(path), module.state_dict()
    missing, more = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    shapes = [
        f"{name} is {tuple(weights[name].shape)} for {tuple(own[name].shape)}"
        for name in own.keys() & weights.keys()
        if weights[name].shape != own[name].shape
    ]
    wrong = [f"lacks {', '.join(missing[:3])}"] * bool(missing) + [f"has {', '.join(more[:3])} too"] * bool(more)
    if wrong or shapes:
        told = "; ".join(wrong + sorted(shapes)[:3])
        raise ValueError(f"checkpoint: {Path(path).name} does not fit {type(module).__name__}: {told}")
    module.load_state_dict(weights)
    return module.eval()
