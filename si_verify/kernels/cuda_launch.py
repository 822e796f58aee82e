"""Launching instances of the CUDA kernels on torch tensors, through CuPy's run-time compiler. Imports cupy: late."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cupy
import numpy as np
import torch

from si_verify.kernels.cuda_compile import OPTIONS
from si_verify.kernels.cuda_source import MIXTURE, source


@lru_cache(maxsize=256)
def _function(name: str, device: int, files: tuple[str, ...]) -> Any:
    with cupy.cuda.Device(device):
        return cupy.RawModule(code=source(files), options=OPTIONS, name_expressions=(name,)).get_function(name)


def _argument(value: Any) -> Any:
    return np.uint64(value.data_ptr()) if isinstance(value, torch.Tensor) else value


def launch(
    name: str, blocks: int, threads: int, device: torch.device, *arguments: Any, files: tuple[str, ...] = MIXTURE
) -> None:
    """One launch on torch's current stream of an instance in ``files``; tensors go as pointers, NumPy scalars as is."""
    index = torch.cuda.current_device() if device.index is None else device.index
    stream = torch.cuda.current_stream(index).cuda_stream
    with cupy.cuda.Device(index), cupy.cuda.ExternalStream(stream, index):
        _function(name, index, files)((blocks,), (threads,), tuple(map(_argument, arguments)))
