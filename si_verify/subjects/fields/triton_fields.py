"""The mixture fields by the Triton kernel, on a GPU; and the same kernel in Triton's interpreter, by another name.

Each also with its weighted sums in TF32, and with bfloat16 points and components: variants, with bounds of their own
(si_verify/fields/precision.py). And one with logits and sums as products of three TF32 products each, which claims what
float32 does: what a law's digits that form would lose goes to the plain kernel (si_verify/kernels/product_loss.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_bfloat16 import as_bfloat16, rounded
from si_verify.kernels.pack_fields import QUANTITIES, Build, fields_by
from si_verify.kernels.pack_products import Products, products
from si_verify.subject import VARIANT, Claims, Subject, Unavailable

MODULES = ("si_verify.kernels.triton_mixture", "si_verify.kernels.triton_products")
# Name -> claim of a coarser format.
FORMATS = {"": {}, "tf32": {"sums": "tf32"}, "bfloat16": {"inputs": "bfloat16"}, "tf32x3": {}}


@dataclass(frozen=True, eq=False)
class _Law:
    """What the plain kernel reads; and factors of products, for the quantities that they may be used for."""

    plain: Packed
    products: Products | None = None
    held: frozenset[str] = frozenset()


def _evaluate(law: _Law, x: Tensor, quantity: str, form: str = "") -> Tensor:
    if law.products is not None and quantity in law.held:
        from si_verify.kernels import triton_products

        return triton_products.evaluate(law.products, x, (quantity,))[quantity]
    from si_verify.kernels.triton_mixture import evaluate

    return evaluate(law.plain, x.to(law.plain.mean.dtype), (quantity,), tf32=form == "tf32")[quantity]


def _separable(law: Packed, dtype: torch.dtype, device: torch.device, form: str = "") -> _Law:
    if law.kind == "full":
        raise Unavailable("the Triton kernel takes isotropic and diagonal covariances, and these are full")
    if form == "bfloat16":
        return _Law(as_bfloat16(rounded(law), device))
    return _Law(law.to(dtype, device), *(products(law, device) if form == "tf32x3" else ()))


def _require_triton() -> None:
    try:
        import triton  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"triton is not installed ({error}): pip install 'si-verify[cuda]'") from error


def _on_cuda(device: torch.device) -> None:
    if device.type != "cuda":
        raise Unavailable(f"the Triton kernel runs on CUDA, and this case is on {device}")


def _fields(form: str, admit: Callable[[torch.device], None]) -> Build:
    return fields_by(partial(_evaluate, form=form), partial(_separable, form=form), admit)


def _load(form: str) -> Build:
    if not torch.cuda.is_available():
        raise Unavailable(f"torch {torch.__version__} sees no CUDA device")
    _require_triton()
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise Unavailable("TRITON_INTERPRET=1: what would run is the interpreter, which is triton/fields-interpreted")
    return _fields(form, _on_cuda)


def _load_interpreted(form: str) -> Build:
    _require_triton()
    if os.environ.get("TRITON_INTERPRET") != "1":
        raise Unavailable("runs only under TRITON_INTERPRET=1")
    return _fields(form, lambda device: None)


_SUMMARIES = {
    "": "one pass over components with online softmax, Triton on CUDA",
    "tf32": "the same, weighted sums as TF32 products accumulated in float32",
    "tf32x3": "the same, logits and sums as three TF32 products each, where a law lets float32's bound hold",
    "bfloat16": "the same, bfloat16 points and components, all arithmetic in float32",
}


def _subject(form: str, interpreted: bool) -> Subject:
    ending = "".join(f"-{word}" for word in ("interpreted" if interpreted else "", form) if word)
    tags = {"kernel", "triton", "interpreter" if interpreted else "cuda"}
    return Subject(
        name=f"triton/fields{ending}",
        kind="field",
        load=partial(_load_interpreted if interpreted else _load, form),
        claims=Claims(quantities=QUANTITIES, extra=FORMATS[form]),
        tags=frozenset(tags | {VARIANT} if interpreted or form else tags),
        modules=MODULES if form == "tf32x3" else MODULES[:1],
        dtypes=("float32",) if form else ("float64", "float32"),
        summary=f"in Triton's interpreter on the CPU, no statement about a GPU: {_SUMMARIES[form]}"
        if interpreted
        else _SUMMARIES[form],
    )


SUBJECTS = tuple(_subject(form, interpreted) for interpreted in (False, True) for form in FORMATS)
