"""The mixture fields by the Triton kernel, on a GPU; and the same kernel in Triton's interpreter, by another name."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_fields import QUANTITIES, Build, fields_by
from si_verify.subject import VARIANT, Claims, Subject, Unavailable

MODULE = "si_verify.kernels.triton_mixture"


def _evaluate(law: Packed, x: Tensor, quantity: str) -> Tensor:
    from si_verify.kernels.triton_mixture import evaluate

    return evaluate(law, x, (quantity,))[quantity]


def _separable(law: Packed, dtype: torch.dtype, device: torch.device) -> Packed:
    if law.kind == "full":
        raise Unavailable("the Triton kernel takes isotropic and diagonal covariances, and these are full")
    return law.to(dtype, device)


def _require_triton() -> None:
    try:
        import triton  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"triton is not installed ({error}): pip install 'si-verify[cuda]'") from error


def _on_cuda(device: torch.device) -> None:
    if device.type != "cuda":
        raise Unavailable(f"the Triton kernel runs on CUDA, and this case is on {device}")


def _load() -> Build:
    if not torch.cuda.is_available():
        raise Unavailable(f"torch {torch.__version__} sees no CUDA device")
    _require_triton()
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise Unavailable("TRITON_INTERPRET=1: what would run is the interpreter, which is triton/fields-interpreted")
    return fields_by(_evaluate, _separable, _on_cuda)


def _load_interpreted() -> Build:
    _require_triton()
    if os.environ.get("TRITON_INTERPRET") != "1":
        raise Unavailable("runs only under TRITON_INTERPRET=1")
    return fields_by(_evaluate, _separable)


SUBJECTS = (
    Subject(
        name="triton/fields",
        kind="field",
        load=_load,
        claims=Claims(quantities=QUANTITIES),
        tags=frozenset({"kernel", "triton", "cuda"}),
        modules=(MODULE,),
        dtypes=("float64", "float32"),
        summary="one pass over components with online softmax, Triton on CUDA",
    ),
    Subject(
        name="triton/fields-interpreted",
        kind="field",
        load=_load_interpreted,
        claims=Claims(quantities=QUANTITIES),
        tags=frozenset({"kernel", "triton", "interpreter", VARIANT}),
        modules=(MODULE,),
        dtypes=("float64", "float32"),
        summary="the Triton kernel's logic in Triton's interpreter on the CPU: no statement about a GPU",
    ),
)
