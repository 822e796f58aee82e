"""Fused kernels of fields and their first derivatives in one pass: numba, Triton (and its interpreter), CUDA C++."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from si_verify.fields.derivatives import DERIVATIVES
from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_derivatives import FIELDS, Probe, derivatives_by
from si_verify.subject import VARIANT, Claims, Subject, Unavailable


def _on(kind: str) -> Callable[[torch.device], None]:
    def admit(device: torch.device) -> None:
        if device.type != kind:
            raise Unavailable(f"the kernel runs on {kind}, and this case is on {device}")

    return admit


def _numba() -> Any:
    try:
        from si_verify.kernels import numba_divergence  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"numba is not installed ({error}): pip install 'si-verify[kernels]'") from error
    from si_verify.kernels.numba_divergence_law import evaluate, prepare

    def law(packed: Packed, dtype: torch.dtype, device: torch.device) -> Any:
        return prepare(packed, str(dtype).removeprefix("torch."))

    return derivatives_by(evaluate, law, _on("cpu"))


def _triton_build(admit: Callable[[torch.device], Any]) -> Any:
    def law(packed: Packed, dtype: torch.dtype, device: torch.device) -> Any:
        from si_verify.kernels.triton_divergence import device_law

        if packed.kind == "full":
            raise Unavailable("the Triton kernel takes isotropic and diagonal covariances, and these are full")
        return device_law(packed, dtype, device)

    def evaluate(made: Any, x: Tensor, probe: Probe) -> dict[str, Tensor]:
        from si_verify.kernels import triton_divergence

        return triton_divergence.evaluate(made, x, probe)

    return derivatives_by(evaluate, law, admit)


def _require_triton() -> None:
    try:
        import triton  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"triton is not installed ({error}): pip install 'si-verify[cuda]'") from error


def _require_cuda() -> None:
    if not torch.cuda.is_available():
        raise Unavailable(f"torch {torch.__version__} sees no CUDA device")


def _triton() -> Any:
    _require_cuda()
    _require_triton()
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise Unavailable("TRITON_INTERPRET=1: what would run is the interpreter, a subject of its own")
    return _triton_build(_on("cuda"))


def _triton_interpreted() -> Any:
    _require_triton()
    if os.environ.get("TRITON_INTERPRET") != "1":
        raise Unavailable("runs only under TRITON_INTERPRET=1")
    return _triton_build(lambda device: None)


def _cupy() -> Any:
    _require_cuda()
    try:
        import cupy  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"cupy is not installed ({error}): pip install 'si-verify[cuda]'") from error
    from si_verify.kernels.cuda_divergence import device_law, evaluate

    def law(packed: Packed, dtype: torch.dtype, device: torch.device) -> Any:
        try:
            return device_law(packed, dtype, device)
        except ValueError as error:
            raise Unavailable(f"no CUDA kernel for this shape: {error}") from error

    return derivatives_by(evaluate, law, _on("cuda"))


def _subject(name: str, load: Callable[[], Any], tags: set[str], modules: tuple[str, ...], summary: str) -> Subject:
    return Subject(
        name=name,
        kind="field",
        load=load,
        claims=Claims(quantities=FIELDS, extra={"derivatives": DERIVATIVES}),
        tags=frozenset({"kernel", "fused", "derivatives"} | tags),
        modules=modules,
        dtypes=("float64", "float32"),
        summary=summary,
    )


_TRITON = ("si_verify.kernels.triton_divergence",)

SUBJECTS = (
    _subject(
        "numba/derivatives", _numba, {"numba", VARIANT}, ("si_verify.kernels.numba_divergence",),
        "fields, divergences and products with a vector in one pass, points across lanes",
    ),
    _subject(
        "triton/derivatives", _triton, {"triton", "cuda"}, _TRITON,
        "fields, divergences and products with a vector in one pass, Triton on CUDA",
    ),
    _subject(
        "triton/derivatives-interpreted", _triton_interpreted, {"triton", "interpreter", VARIANT}, _TRITON,
        "the Triton kernel's logic in Triton's interpreter on the CPU: no statement about a GPU",
    ),
    _subject(
        "cupy/derivatives", _cupy, {"cupy", "cuda"}, ("si_verify.kernels.cuda_divergence",),
        "fields, divergences and products with a vector in one pass, CUDA C++",
    ),
)  # fmt: skip
