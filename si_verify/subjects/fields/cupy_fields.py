"""The mixture fields by the CUDA C++ kernels, compiled by CuPy at run time."""

from __future__ import annotations

import torch
from torch import Tensor

from si_verify.kernels.cuda_fields import DeviceLaw, device_law, evaluate
from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_fields import QUANTITIES, Build, fields_by
from si_verify.subject import Claims, Subject, Unavailable


def _evaluate(law: DeviceLaw, x: Tensor, quantity: str) -> Tensor:
    return evaluate(law, x, (quantity,))[quantity]


def _prepare(law: Packed, dtype: torch.dtype, device: torch.device) -> DeviceLaw:
    try:
        return device_law(law, dtype, device)
    except ValueError as error:
        raise Unavailable(f"no CUDA kernel for this shape: {error}") from error


def _on_cuda(device: torch.device) -> None:
    if device.type != "cuda":
        raise Unavailable(f"the CUDA kernels run on CUDA, and this case is on {device}")


def _load() -> Build:
    if not torch.cuda.is_available():
        raise Unavailable(f"torch {torch.__version__} sees no CUDA device")
    try:
        import cupy  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"cupy is not installed ({error}): pip install 'si-verify[cuda]'") from error
    return fields_by(_evaluate, _prepare, _on_cuda)


SUBJECT = Subject(
    name="cupy/fields",
    kind="field",
    load=_load,
    claims=Claims(quantities=QUANTITIES),
    tags=frozenset({"kernel", "cupy", "cuda"}),
    modules=("si_verify.kernels.cuda_source", "si_verify.kernels.cuda_records"),
    dtypes=("float64", "float32"),
    summary="CUDA C++: a thread or a warp a point, online softmax, full covariances pre-whitened",
)
