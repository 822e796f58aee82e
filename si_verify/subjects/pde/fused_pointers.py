"""Rows of numbers as plain pointers in numba, for the loops of fused_lanes.py.

Arrays handed from function to function are counted references, two atomic operations each, which took as long as the
arithmetic of a row. Needs numba at import.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from si_verify.kernels.numba_lanes import intrinsic, lanes_of


@intrinsic
def address(typing: Any, array: Any) -> Any:
    """Where a C-contiguous array starts; the array has to be ``held`` as long as this is used."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_array(sig.args[0])(context, builder, value=args[0]).data

    return types.CPointer(array.dtype)(array), codegen


@intrinsic
def held(typing: Any, array: Any) -> Any:
    """Nothing but a use of the array: until then it is not freed."""
    return types.void(array), lambda context, builder, sig, args: context.get_dummy_value()


@intrinsic
def ahead(typing: Any, row: Any, count: Any) -> Any:
    """The pointer ``count`` numbers further."""
    return row(row, types.intp), lambda context, builder, sig, args: builder.gep(args[0], [args[1]])


@intrinsic
def load(typing: Any, row: Any, index: Any) -> Any:
    """The register of numbers from ``index`` on; unaligned."""
    lanes = lanes_of(row.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = context.get_value_type(lanes).as_pointer()
        return builder.load(builder.bitcast(builder.gep(args[0], [args[1]]), vector), align=lanes.dtype.bitwidth // 8)

    return lanes(row, types.intp), codegen


@intrinsic
def store(typing: Any, row: Any, index: Any, value: Any) -> Any:
    """The opposite of ``load``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = builder.bitcast(builder.gep(args[0], [args[1]]), args[2].type.as_pointer())
        builder.store(args[2], place, align=value.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(row, types.intp, value), codegen


@intrinsic
def soon(typing: Any, row: Any, index: Any) -> Any:
    """Asks for the line of the cache at ``index``, which may lie outside of the array."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        place = builder.bitcast(builder.gep(args[0], [args[1]]), byte)
        builder.call(prefetch, [place, *(ir.Constant(word, n) for n in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(row, types.intp), codegen
