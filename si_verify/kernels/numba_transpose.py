"""Points to lanes and back: rows of x, (N, D) as everyone stores them, turned into a register a coordinate.

A block is 2·width rows. Coordinates that fill a register go as squares, width rows by width coordinates: unpacking
neighbours within 128 bits, then parting those quarters into even and odd ones, log2 width times in all. Fewer, if they
are a power of two, lie D·2·width numbers in a row of memory, and are parted log2 D times. Others go number by number.
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


def _part(builder: Any, registers: list[Any], width: int, dim: int, size: int = 1) -> list[list[Any]]:
    """Registers in memory order -> for every coordinate its registers in order, ``size`` lanes at a time."""
    if dim == 1:
        return [registers]
    pairs = list(zip(registers[::2], registers[1::2], strict=True))
    lanes = [i * size + j for i in range(0, 2 * width // size, 2) for j in range(size)]
    even = [_shuffle(builder, a, b, lanes) for a, b in pairs]
    odd = [_shuffle(builder, a, b, [lane + size for lane in lanes]) for a, b in pairs]
    columns: list[list[Any]] = [[]] * dim
    columns[::2], columns[1::2] = (_part(builder, half, width, dim // 2, size) for half in (even, odd))
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


def _transposed(builder: Any, rows: list[Any], width: int, bits: int) -> list[Any]:
    """A square of registers with its lanes and registers exchanged."""
    quarter = 128 // bits
    groups: list[list[Any] | None] = [None] * quarter  # by coordinate within 128 bits, over groups of rows
    groups[0] = rows
    size, step = 1, quarter // 2
    while step:
        low = [q * quarter + j for q in range(width // quarter) for j in range(quarter // 2)]
        low = [lane for pair in zip(*[iter(low)] * size, strict=True) for lane in (*pair, *(x + width for x in pair))]
        high = [x + quarter // 2 for x in low]
        for place in range(0, quarter, 2 * step):
            found = groups[place]
            assert found is not None
            pairs = list(zip(found[::2], found[1::2], strict=True))
            groups[place] = [_shuffle(builder, a, b, low) for a, b in pairs]
            groups[place + step] = [_shuffle(builder, a, b, high) for a, b in pairs]
        size, step = 2 * size, step // 2
    columns: list[Any] = [None] * width
    for place, registers in enumerate(groups):
        parted = _part(builder, registers or [], width, width // quarter, quarter)
        columns[place::quarter] = [column for (column,) in parted]
    return columns


def _squares(inwards: bool) -> Any:
    """Intrinsic (x, index, stride, xs, index): 2·width rows by width coordinates, stride apart, from or to lanes."""

    @intrinsic
    def move(typing: Any, x: Any, at: Any, stride: Any, xs: Any, to: Any) -> Any:
        lanes = lanes_of(x.dtype)
        width, bits = lanes.width, lanes.dtype.bitwidth

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            vector = context.get_value_type(lanes).as_pointer()
            rows, columns = (
                context.make_array(sig.args[i])(context, builder, value=args[i]).data for i in (0, 3)
            )  # fmt: skip

            def row(half: int, i: int) -> Any:
                moved = builder.mul(args[2], ir.Constant(args[2].type, half * width + i))
                return builder.bitcast(builder.gep(rows, [builder.add(args[1], moved)]), vector)

            def column(half: int, i: int) -> Any:
                moved = ir.Constant(args[4].type, (2 * i + half) * width)
                return builder.bitcast(builder.gep(columns, [builder.add(args[4], moved)]), vector)

            source, target = (row, column) if inwards else (column, row)
            for half in range(2):
                found = [builder.load(source(half, i), align=bits // 8) for i in range(width)]
                for i, register in enumerate(_transposed(builder, found, width, bits)):
                    builder.store(register, target(half, i), align=bits // 8)
            return context.get_dummy_value()

        return types.void(x, types.intp, types.intp, xs, types.intp), codegen

    return move


_in_1, _in_2, _in_4, _in_8, _in_squares = (*(_mover(d, True) for d in (1, 2, 4, 8)), _squares(True))
_out_1, _out_2, _out_4, _out_8, _out_squares = (*(_mover(d, False) for d in (1, 2, 4, 8)), _squares(False))


@_inline
def fetch(x: Any, first: int, xs: Any) -> None:
    """xs: rows first … first + 2·width − 1 of x, coordinates apart; rows past the last repeat it."""
    n, dim = x.shape
    w = width_of(xs)
    points = 2 * w
    if first + points > n:
        for i in range(points):
            for d in range(dim):
                xs[d * points + i] = x[min(first + i, n - 1), d]
        return
    if dim == 1:
        _in_1(x, first, xs, 0)
    elif dim == 2:
        _in_2(x, first * 2, xs, 0)
    elif dim == 4:
        _in_4(x, first * 4, xs, 0)
    elif dim == 8 and w > 8:
        _in_8(x, first * 8, xs, 0)
    else:
        whole = dim // w * w
        for d in range(0, whole, w):
            _in_squares(x, first * dim + d, dim, xs, d * points)
        for i in range(points):
            for d in range(whole, dim):
                xs[d * points + i] = x[first + i, d]


@_inline
def deliver(ys: Any, out: Any, first: int) -> None:
    """The inverse of ``fetch``; rows past the last are dropped."""
    n, dim = out.shape
    w = width_of(ys)
    points = 2 * w
    if first + points > n:
        for i in range(n - first):
            for d in range(dim):
                out[first + i, d] = ys[d * points + i]
        return
    if dim == 1:
        _out_1(ys, 0, out, first)
    elif dim == 2:
        _out_2(ys, 0, out, first * 2)
    elif dim == 4:
        _out_4(ys, 0, out, first * 4)
    elif dim == 8 and w > 8:
        _out_8(ys, 0, out, first * 8)
    else:
        whole = dim // w * w
        for d in range(0, whole, w):
            _out_squares(out, first * dim + d, dim, ys, d * points)
        for i in range(points):
            for d in range(whole, dim):
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
