"""Array and kernel backends: which are on this machine, and why not the others."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True)
class Backend:
    """``reason`` is empty when the backend can be used."""

    name: str
    version: str
    reason: str

    @property
    def available(self) -> bool:
        return not self.reason


_DISTRIBUTIONS = {"numpy": "numpy", "torch": "torch", "cupy": "cupy-cuda13x", "triton": "triton", "numba": "numba"}


def _version(package: str) -> str:
    try:
        return metadata.version(_DISTRIBUTIONS[package])
    except metadata.PackageNotFoundError:
        return ""


def _import(package: str) -> str:
    try:
        importlib.import_module(package)
    except Exception as error:  # a broken install raises anything
        return f"{type(error).__name__}: {error}"
    return ""


def _cuda() -> str:
    import torch

    return "" if torch.cuda.is_available() else f"torch {torch.__version__} sees no CUDA device"


def backends() -> tuple[Backend, ...]:
    """State of every backend, in a fixed order."""
    cuda = _cuda()
    return (
        Backend("numpy", _version("numpy"), _import("numpy")),
        Backend("torch-cpu", _version("torch"), _import("torch")),
        Backend("torch-cuda", _version("torch"), cuda),
        Backend("cupy", _version("cupy"), _import("cupy") or cuda),
        Backend("triton", _version("triton"), _import("triton") or cuda),
        Backend("numba", _version("numba"), _import("numba")),
    )
