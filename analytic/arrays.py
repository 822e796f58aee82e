"""Array namespaces: which library an array belongs to, and moving float64 parameters there.

The yardstick computes in float64 whatever the dtype of its points: the reference for a float32 subject
is the exact field at its float32 point. Everything here is differentiable where the library is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_cupy_array, is_torch_array, to_device

Array = Any  # an array of any array-API library; the libraries share no nominal type


def namespace(array: Array, name: str) -> Any:
    """The array-API namespace of `array`; TypeError names the argument where there is none."""
    try:
        return array_namespace(array)
    except TypeError:
        raise TypeError(
            f"{name}: expected an array (NumPy, torch, CuPy or another array-API library), got {type(array).__name__}"
        ) from None


def to_numpy(array: Array) -> np.ndarray:
    """A host copy as NumPy, detached from any autograd graph; dtype kept where NumPy has it."""
    if isinstance(array, np.ndarray):
        return array
    if is_torch_array(array):
        host = array.detach().cpu()
        return (host if str(host.dtype) != "torch.bfloat16" else host.float()).numpy()
    if is_cupy_array(array):
        return array.get()
    try:
        return np.asarray(array)
    except (TypeError, ValueError, RuntimeError):
        return np.from_dlpack(array)


def as_parameter(value: Any, name: str, ndim: int | tuple[int, ...] | None = None) -> Array:
    """`value` as a float64 array in its own library (NumPy for lists and numbers).

    Raises ValueError where it is not finite or has not one of the `ndim` dimensions, TypeError where it
    is not numeric; both name the argument.
    """
    try:
        xp = array_namespace(value)
    except TypeError:
        try:
            value = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{name}: expected numbers or an array, got {type(value).__name__}") from None
        xp = array_namespace(value)
    if xp.isdtype(value.dtype, "complex floating"):
        raise TypeError(f"{name}: expected real numbers, got dtype {value.dtype}")
    array = xp.astype(value, xp.float64)
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if allowed is not None and array.ndim not in allowed:
        shape = tuple(array.shape)
        raise ValueError(f"{name}: expected {' or '.join(map(str, allowed))} dimension(s), got shape {shape}")
    if not np.all(np.isfinite(to_numpy(array))):
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity among them")
    return array


def transfer(array: Array, like: Array) -> Array:
    """`array` as float64 in the library and on the device of `like`; keeps the graph within a library."""
    xp = array_namespace(like)
    if array_namespace(array) is xp:
        moved = array if device(array) == device(like) else to_device(array, device(like))
        return xp.astype(moved, xp.float64, copy=False)
    return xp.asarray(to_numpy(array), dtype=xp.float64, device=device(like))


def points(x: Array, dim: int, name: str = "x") -> tuple[Any, Array]:
    """(namespace, x as float64) for points x of shape (N, dim) and any real floating dtype."""
    xp = namespace(x, name)
    if not xp.isdtype(x.dtype, "real floating"):
        raise TypeError(f"{name}: expected a real floating dtype, got {x.dtype}")
    if x.ndim != 2 or x.shape[1] != dim:
        raise ValueError(f"{name}: expected shape (N, {dim}), got {tuple(x.shape)}")
    return xp, xp.astype(x, xp.float64, copy=False)


def restore(y: Array, like: Array) -> Array:
    """The float64 answer `y` cast to the dtype of `like`."""
    return array_namespace(like).astype(y, like.dtype, copy=False)
