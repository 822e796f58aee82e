"""Points to lanes and back: rows of x, (N, D) as everyone stores them, turned into a register a coordinate.

A block is 2·width rows, D·2·width numbers in a row of memory. For D a power of two up to 16 they are parted into even
and odd ones, log2 D times, by two-register shuffles; other D go number by number.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types

from si_verify.kernels.numba_lanes import intrinsic, lanes_of, read_soon, width_of, written_soon

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)


def _shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    mask = ir.VectorType(ir.IntType(32), len(lanes))
    return builder.shuffle_vector(a, b, ir.Constant(mask, lanes))


def _part(builder: Any, registers: list[Any], width: int, dim: int) -> list[list[Any]]:
    """Registers in memory order -> for every coordinate its registers in order."""
    if dim == 1:
        return [registers]
    pairs = list(zip(registers[::2], registers[1::2], strict=True))
    even = [_shuffle(builder, a, b, [2 * i for i in range(width)]) for a, b in pairs]
    odd = [_shuffle(builder, a, b, [2 * i + 1 for i in range(width)]) for a, b in pairs]
    columns: list[list[Any]] = [[]] * dim
    columns[::2], columns[1::2] = (_part(builder, half, width, dim // 2) for half in (even, odd))
    return columns


def _join(builder: Any, columns: list[list[Any]], width: int) -> list[Any]:
    """The inverse of ``_part``."""
    if len(columns) == 1:
        return columns[0]
    even, odd = (_join(builder, half, width) for half in (columns[::2], columns[1::2]))
    low = [x for i in range(width // 2) for x in (i, width + i)]
    high = [x + width // 2 for x in low]
    return [_shuffle(builder, a, b, lanes) for a, b in zip(even, odd, strict=True) for lanes in (low, high)]


def _registers(context: Any, builder: Any, kind: Any, array: Any, index: Any, count: int) -> list[Any]:
    """Pointers to ``count`` registers in a row."""
    data = context.make_array(kind)(context, builder, value=array).data
    lanes = lanes_of(kind.dtype)
    vector = context.get_value_type(lanes)
    steps = [builder.add(index, context.get_constant(types.intp, i * lanes.width)) for i in range(count)]
    return [builder.bitcast(builder.gep(data, [step]), vector.as_pointer()) for step in steps]


def _mover(dim: int, inwards: bool) -> Any:
    """Intrinsic (source, index, target, index): a block of 2·width points of ``dim`` coordinates, contiguous."""

    @intrinsic
    def move(typing: Any, source: Any, at: Any, target: Any, to: Any) -> Any:
        lanes = lanes_of(source.dtype)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            align = lanes.dtype.bitwidth // 8
            count = 2 * dim
            sources = _registers(context, builder, sig.args[0], args[0], args[1], count)
            found = [builder.load(p, align=align) for p in sources]
            if inwards:
                parted = _part(builder, found, lanes.width, dim)
                moved = [r for column in parted for r in column]
            else:
                moved = _join(builder, [found[2 * d : 2 * d + 2] for d in range(dim)], lanes.width)
            targets = _registers(context, builder, sig.args[2], args[2], args[3], count)
            for value, pointer in zip(moved, targets, strict=True):
                builder.store(value, pointer, align=align)
            return context.get_dummy_value()

        return types.void(source, types.intp, target, types.intp), codegen

    return move


_in_1, _in_2, _in_4, _in_8, _in_16 = (_mover(d, True) for d in (1, 2, 4, 8, 16))
_out_1, _out_2, _out_4, _out_8, _out_16 = (_mover(d, False) for d in (1, 2, 4, 8, 16))


@_inline
def fetch(x: Any, first: int, xs: Any) -> None:
    """xs: rows first … first + 2·width − 1 of x, coordinates apart; rows past the last repeat it."""
    n, dim = x.shape
    points = 2 * width_of(xs)
    if first + points > n:
        for i in range(points):
            for d in range(dim):
                xs[d * points + i] = x[min(first + i, n - 1), d]
    elif dim == 1:
        _in_1(x, first, xs, 0)
    elif dim == 2:
        _in_2(x, first * 2, xs, 0)
    elif dim == 4:
        _in_4(x, first * 4, xs, 0)
    elif dim == 8:
        _in_8(x, first * 8, xs, 0)
    elif dim == 16:
        _in_16(x, first * 16, xs, 0)
    else:
        for i in range(points):
            for d in range(dim):
                xs[d * points + i] = x[first + i, d]


@_inline
def deliver(ys: Any, out: Any, first: int) -> None:
    """The inverse of ``fetch``; rows past the last are dropped."""
    n, dim = out.shape
    points = 2 * width_of(ys)
    if first + points > n:
        for i in range(n - first):
            for d in range(dim):
                out[first + i, d] = ys[d * points + i]
    elif dim == 1:
        _out_1(ys, 0, out, first)
    elif dim == 2:
        _out_2(ys, 0, out, first * 2)
    elif dim == 4:
        _out_4(ys, 0, out, first * 4)
    elif dim == 8:
        _out_8(ys, 0, out, first * 8)
    elif dim == 16:
        _out_16(ys, 0, out, first * 16)
    else:
        for i in range(points):
            for d in range(dim):
                out[first + i, d] = ys[d * points + i]


@_inline
def expect(x: Any, out: Any, first: int) -> None:
    """Asks for the rows of x after the block at ``first``, and for those of out that the block will be written to."""
    w = 64 // x.itemsize
    dim = x.shape[1]
    points = 2 * w
    for i in range(first * dim, (first + points) * dim, w):
        read_soon(x, i + points * dim)
        written_soon(out, i)
