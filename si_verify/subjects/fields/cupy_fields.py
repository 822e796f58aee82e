"""The mixture fields by the CUDA C++ kernels, compiled by CuPy at run time; and with bfloat16 inputs, as a variant."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.kernels.cuda_fields import DeviceLaw, device_law, evaluate
from si_verify.kernels.pack import Packed, pack
from si_verify.kernels.pack_fields import QUANTITIES, Build, fields_by
from si_verify.kernels.pack_one_end import OneEnd, pack_one_end
from si_verify.subject import VARIANT, Claims, Subject, Unavailable


def _evaluate(law: DeviceLaw, x: Tensor, quantity: str) -> Tensor:
    return evaluate(law, x.to(law.dtype), (quantity,))[quantity]


def _gather(interpolant: Interpolant, t: float) -> tuple[Packed, OneEnd | None]:
    return pack(interpolant, t), pack_one_end(interpolant, t)


def _prepare(
    law: tuple[Packed, OneEnd | None], dtype: torch.dtype, device: torch.device, inputs: torch.dtype | None
) -> DeviceLaw:
    try:
        return device_law(law[0], inputs or dtype, device, law[1])
    except ValueError as error:
        raise Unavailable(f"no CUDA kernel for this shape: {error}") from error


def _on_cuda(device: torch.device) -> None:
    if device.type != "cuda":
        raise Unavailable(f"the CUDA kernels run on CUDA, and this case is on {device}")


def _load(inputs: torch.dtype | None = None) -> Build:
    if not torch.cuda.is_available():
        raise Unavailable(f"torch {torch.__version__} sees no CUDA device")
    try:
        import cupy  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"cupy is not installed ({error}): pip install 'si-verify[cuda]'") from error
    return fields_by(_evaluate, partial(_prepare, inputs=inputs), _on_cuda, _gather)


_MODULES = tuple(
    f"si_verify.kernels.{name}"
    for name in ("cuda_source", "cuda_records", "cuda_ends", "cuda_tiled", "cuda_triangles", "pack_one_end")
)
SUBJECTS = (
    Subject(
        name="cupy/fields",
        kind="field",
        load=_load,
        claims=Claims(quantities=QUANTITIES),
        tags=frozenset({"kernel", "cupy", "cuda"}),
        modules=_MODULES,
        dtypes=("float64", "float32"),
        summary="CUDA C++: a thread or a warp a point, online softmax, full covariances pre-whitened;"
        " velocities of independent endpoints by the components of one end",
    ),
    Subject(
        name="cupy/fields-bfloat16",
        kind="field",
        load=partial(_load, torch.bfloat16),
        claims=Claims(quantities=QUANTITIES, extra={"inputs": "bfloat16"}),
        tags=frozenset({"kernel", "cupy", "cuda", VARIANT}),
        modules=(*_MODULES, "si_verify.kernels.pack_bfloat16"),
        dtypes=("float32",),
        summary="the same with bfloat16 points and components, all arithmetic in float32",
    ),
)
