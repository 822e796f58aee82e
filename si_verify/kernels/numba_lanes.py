"""A vector register as a numba type: explicit lanes, so that points run across them whatever a loop looks like.

numba leaves vectorising to LLVM, which turns the innermost loop only and keeps sums over an outer one in memory. With
``Lanes`` a kernel is written for 64 bytes of points at once, and its sums over components stay in registers. On
machines whose registers are shorter LLVM splits the type. Operators: + − × ÷ on one type; ``^``, ``<<`` and logical
``>>`` on lanes of integers; scalars are spread explicitly.
"""

from __future__ import annotations

import operator
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

REGISTER_BITS = 512
# Its stub takes the typing context for an argument of the caller.
intrinsic: Any = extending.intrinsic


class Lanes(types.Type):
    """<width × dtype>."""

    def __init__(self, dtype: Any, width: int) -> None:
        self.dtype, self.width = dtype, width
        super().__init__(name=f"Lanes({dtype}, {width})")


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        element = manager.lookup(lanes.dtype).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(element, lanes.width))


def lanes_of(dtype: Any) -> Lanes:
    """A register full of ``dtype``."""
    return Lanes(dtype, REGISTER_BITS // dtype.bitwidth)


def splat(builder: Any, scalar: Any, width: int) -> Any:
    """IR: ``scalar`` in every lane."""
    vector = ir.VectorType(scalar.type, width)
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width))


def constant(vector: Any, value: float | int) -> Any:
    """IR: the same number in every lane."""
    return ir.Constant(vector, [value] * vector.count)


def emit_fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """IR: a·b + c, rounded once."""
    bits = 64 if isinstance(a.type.element, ir.DoubleType) else 32
    kind = ir.FunctionType(a.type, [a.type] * 3)
    return builder.call(
        cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{a.type.count}f{bits}"), (a, b, c)
    )


def part(builder: Any, x: Any, index: int, width: int) -> Any:
    """IR: the index-th of the registers of ``width`` lanes that a longer one consists of."""
    lanes = list(range(index * width, (index + 1) * width))
    return builder.shuffle_vector(x, x, ir.Constant(ir.VectorType(ir.IntType(32), width), lanes))


def joined(builder: Any, parts: list[Any]) -> Any:
    """IR: a power of two of registers as one."""
    if len(parts) == 1:
        return parts[0]
    a, b = (joined(builder, half) for half in (parts[: len(parts) // 2], parts[len(parts) // 2 :]))
    lanes = list(range(2 * a.type.count))
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))


def permutes() -> bool:
    """Whether code is generated for a machine that picks the numbers of a whole register by a register of places."""
    # As numba generates it, whatever it was told: NUMBA_CPU_NAME=generic has no features, and none may be used.
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return "+avx512f" in features.split(",")


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, vector: Any) -> Any:
    data = context.make_array(kind)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


@numba.njit(error_model="numpy", boundscheck=False)
def scratch(numbers: int, like: Any) -> Any:
    """Memory for ``numbers`` of the array's dtype from a multiple of 64 bytes on: a register that straddles two lines
    of the cache costs two loads, a third of a kernel's time.
    """
    room = np.empty(numbers + 64 // like.itemsize, like.dtype)
    skip = (-room.ctypes.data % 64) // like.itemsize
    return room[skip : skip + numbers]


@intrinsic
def width_of(typing: Any, array: Any) -> Any:
    """Lanes of a register of the array's dtype, known when compiling."""
    width = lanes_of(array.dtype).width
    return types.intp(array), lambda context, builder, sig, args: context.get_constant(types.intp, width)


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """A register from the C-contiguous array's memory at a flat index; unaligned."""
    lanes = lanes_of(array.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], args[0], args[1], context.get_value_type(lanes))
        return builder.load(pointer, align=lanes.dtype.bitwidth // 8)

    return lanes(array, types.intp), codegen


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """The opposite of ``load``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], args[0], args[1], args[2].type)
        builder.store(args[2], pointer, align=value.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


def _asker(written: int) -> Any:
    @intrinsic
    def ask(typing: Any, array: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
            prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            data = context.make_array(sig.args[0])(context, builder, value=args[0]).data
            place = builder.bitcast(builder.gep(data, [args[1]]), byte)
            builder.call(prefetch, [place, *(ir.Constant(word, n) for n in (written, 3, 1))])
            return context.get_dummy_value()

        return types.void(array, types.intp), codegen

    return ask


# Ask the cache for the line that holds the number at a flat index, to read or to write; it may lie outside the array.
read_soon, written_soon = _asker(0), _asker(1)


def _four(array: Any) -> Lanes:
    lanes = lanes_of(array.dtype)
    return Lanes(lanes.dtype, 4 * lanes.width)


@intrinsic
def load_four(typing: Any, array: Any, index: Any) -> Any:
    """Four registers that lie one after the other, as one value: what is done to it is done to each in turn, and a
    chain of dependent instructions waits for itself a quarter as long.
    """
    lanes = _four(array)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], args[0], args[1], context.get_value_type(lanes))
        return builder.load(pointer, align=lanes.dtype.bitwidth // 8)

    return lanes(array, types.intp), codegen


@intrinsic
def twice(typing: Any, a: Any, b: Any) -> Any:
    """The four registers a, b, a, b."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        once = list(range(2 * args[0].type.count))
        return builder.shuffle_vector(*args, ir.Constant(ir.VectorType(ir.IntType(32), 2 * len(once)), once + once))

    return Lanes(a.dtype, 4 * a.width)(a, b), codegen


@intrinsic
def folded(typing: Any, four: Any) -> Any:
    """(a + c, b + d) of the four registers a, b, c, d."""
    lanes = Lanes(four.dtype, four.width // 4)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def part(i: int) -> Any:
            picked = [i * lanes.width + j for j in range(lanes.width)]
            return builder.shuffle_vector(
                args[0], args[0], ir.Constant(ir.VectorType(ir.IntType(32), lanes.width), picked)
            )

        sums = [builder.fadd(part(i), part(i + 2)) for i in range(2)]
        return context.make_tuple(builder, sig.return_type, sums)

    return types.UniTuple(lanes, 2)(four), codegen


@intrinsic
def spread(typing: Any, value: Any) -> Any:
    """A scalar in every lane."""
    lanes = lanes_of(value)
    return lanes(value), lambda context, builder, sig, args: splat(builder, args[0], lanes.width)


@intrinsic
def spread_at(typing: Any, array: Any, index: Any) -> Any:
    """A number of the C-contiguous array, by a flat index ≥ 0, in every lane. ``array[index]`` would ask at every one
    whether the index counts from the end: 5 to 15 % of a kernel's time.
    """
    lanes = lanes_of(array.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, value=args[0]).data
        return splat(builder, builder.load(builder.gep(data, [args[1]])), lanes.width)

    return lanes(array, types.intp), codegen


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c, rounded once."""
    return a(a, a, a), lambda context, builder, sig, args: emit_fma(builder, *args)


@intrinsic
def fnma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """c − a·b, rounded once."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return emit_fma(builder, builder.fneg(args[0]), *args[1:])

    return a(a, a, a), codegen


@intrinsic
def larger(typing: Any, a: Any, b: Any) -> Any:
    """a if a > b else b; b where either is NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, a), codegen


@intrinsic
def rounded(typing: Any, a: Any) -> Any:
    """The nearest whole numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = args[0].type
        bits = 64 if isinstance(kind.element, ir.DoubleType) else 32
        name = f"llvm.rint.v{kind.count}f{bits}"
        nearest = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)
        return builder.call(nearest, args)

    return a(a), codegen


@intrinsic
def any_beyond(typing: Any, a: Any, limit: Any) -> Any:
    """Whether a lane of a is not within ±limit, a scalar of its dtype."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x, limit = args
        count = x.type.count
        high = builder.fcmp_unordered("ugt", x, splat(builder, limit, count))
        low = builder.fcmp_unordered("ult", x, splat(builder, builder.fneg(limit), count))
        found = builder.bitcast(builder.or_(high, low), ir.IntType(count))
        return builder.icmp_unsigned("!=", found, ir.Constant(ir.IntType(count), 0))

    return types.boolean(a, limit), codegen


def _operator(symbol: Any, emit: dict[type, str]) -> None:
    @infer_global(symbol)
    class _Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], Lanes) and args[0] == args[1]:
                return signature(args[0], *args)
            return None

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, emit[type(sig.args[0].dtype)])(*args)

    lower_builtin(symbol, Lanes, Lanes)(codegen)


_REAL, _WHOLE = numba.types.Float, numba.types.Integer
_operator(operator.add, {_REAL: "fadd", _WHOLE: "add"})
_operator(operator.sub, {_REAL: "fsub", _WHOLE: "sub"})
_operator(operator.mul, {_REAL: "fmul", _WHOLE: "mul"})
_operator(operator.truediv, {_REAL: "fdiv"})
_operator(operator.xor, {_WHOLE: "xor"})
_operator(operator.lshift, {_WHOLE: "shl"})
_operator(operator.rshift, {_WHOLE: "lshr"})
