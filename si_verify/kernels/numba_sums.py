"""Exponentials of a block's logits and their product with the components' numbers, sums held in registers.

One running sum over K components rounds at the size of its partial sums, which where components are ordered, or where
Σ r a and Σ r B x cancel, is up to K times the answer's. Longer mixtures are therefore summed chunk by chunk from zero,
and a chunk joins the total with what each addition rounds off kept beside it (T. Ogita, S. M. Rump, S. Oishi, Accurate
sum and dot product, SIAM J. Sci. Comput. 26 (2005), algorithm 4.1).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils

from si_verify.kernels.numba_elementary import exact_of, exp2_from
from si_verify.kernels.numba_lanes import (
    any_beyond,
    constant,
    emit_fma,
    fma,
    folded,
    intrinsic,
    lanes_of,
    larger,
    load,
    load_four,
    rounded,
    splat,
    spread,
    store,
    twice,
    width_of,
)  # fmt: skip

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)


# Not inlined: its constants then stay in registers.
@njit(error_model="numpy", boundscheck=False)
def exponentials(logits: Any, count: int, top0: Any, top1: Any) -> Any:
    """logits (count registers pairs) -> 2^(l − top) in place, top their maximum with what was seen before, rounded to
    whole numbers: so is what ``top0`` and ``top1`` were.

    Returns (top0, top1, sum0, sum1), the sums of this chunk alone.
    """
    w = width_of(logits)
    for k in range(count):
        top0 = larger(load(logits, 2 * k * w), top0)
        top1 = larger(load(logits, (2 * k + 1) * w), top1)
    zero = spread(logits.dtype.type(0))
    top0, top1 = rounded(top0), rounded(top1)
    origin0, origin1 = top0, top1
    limit = exact_of(logits)
    if any_beyond(top0, limit) or any_beyond(top1, limit):
        for k in range(count):
            store(logits, 2 * k * w, load(logits, 2 * k * w) - top0)
            store(logits, (2 * k + 1) * w, load(logits, (2 * k + 1) * w) - top1)
        origin0 = origin1 = zero
    origin, total = twice(origin0, origin1), twice(zero, zero)
    even = count // 2 * 2
    for k in range(0, even, 2):
        e = exp2_from(load_four(logits, 2 * k * w), origin)
        store(logits, 2 * k * w, e)
        total = total + e
    sum0, sum1 = folded(total)
    for k in range(even, count):
        e0 = exp2_from(load(logits, 2 * k * w), origin0)
        e1 = exp2_from(load(logits, (2 * k + 1) * w), origin1)
        store(logits, 2 * k * w, e0)
        store(logits, (2 * k + 1) * w, e1)
        sum0, sum1 = sum0 + e0, sum1 + e1
    return top0, top1, sum0, sum1


@_inline
def two_sum(a: Any, b: Any) -> Any:
    """(s, e): s = a + b rounded, s + e = a + b exactly (D. E. Knuth, TAOCP 2, 4.2.2, theorem B)."""
    total = a + b
    moved = total - a
    return total, (a - (total - moved)) + (b - moved)


@_inline
def join(sums: Any, carry: Any, part: Any, columns: int, f0: Any, f1: Any) -> None:
    """sums + carry ← f · (sums + carry) + part, and part ← 0; f ≠ 1 where the maximum has risen."""
    w = width_of(sums)
    zero = spread(sums.dtype.type(0))
    for c in range(columns):
        at = 2 * c * w
        s, e = two_sum(f0 * load(sums, at), load(part, at))
        store(sums, at, s)
        store(carry, at, fma(f0, load(carry, at), e))
        store(part, at, zero)
        at += w
        s, e = two_sum(f1 * load(sums, at), load(part, at))
        store(sums, at, s)
        store(carry, at, fma(f1, load(carry, at), e))
        store(part, at, zero)


@_inline
def settle(sums: Any, carry: Any, columns: int) -> None:
    """sums ← sums + carry."""
    w = width_of(sums)
    for c in range(2 * columns):
        store(sums, c * w, load(sums, c * w) + load(carry, c * w))


def _columns(number: int) -> Any:
    """Intrinsic: the product for ``number`` neighbouring columns, whose sums stay in registers."""

    @intrinsic
    def product(
        typing: Any, shares: Any, count: Any, table: Any, at: Any, stride: Any, sums: Any, to: Any, kept: Any
    ) -> Any:
        lanes = lanes_of(sums.dtype)
        align = lanes.dtype.bitwidth // 8

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            vector = context.get_value_type(lanes)
            data = {i: context.make_array(sig.args[i])(context, builder, value=args[i]).data for i in (0, 2, 5)}

            def register(which: int, index: Any, moved: int) -> Any:
                place = builder.add(index, ir.Constant(index.type, moved * lanes.width))
                return builder.bitcast(builder.gep(data[which], [place]), vector.as_pointer())

            own = [cgutils.alloca_once(builder, vector) for _ in range(2 * number)]
            with builder.if_else(args[7]) as (then, otherwise):
                with then:
                    for i, place in enumerate(own):
                        builder.store(builder.load(register(5, args[6], i), align=align), place)
                with otherwise:
                    for place in own:
                        builder.store(constant(vector, 0.0), place)
            with cgutils.for_range(builder, args[1]) as loop:
                first = builder.mul(loop.index, ir.Constant(loop.index.type, 2 * lanes.width))
                both = [builder.load(register(0, first, i), align=align) for i in range(2)]
                row = builder.add(args[3], builder.mul(loop.index, args[4]))
                for c in range(number):
                    number_at = builder.add(row, ir.Constant(row.type, c))
                    v = splat(builder, builder.load(builder.gep(data[2], [number_at])), lanes.width)
                    for place, share in zip(own[2 * c : 2 * c + 2], both, strict=True):
                        builder.store(emit_fma(builder, share, v, builder.load(place)), place)
            for i, place in enumerate(own):
                builder.store(builder.load(place), register(5, args[6], i), align=align)
            return context.get_dummy_value()

        word = types.intp
        return types.void(shares, word, table, word, word, sums, word, types.boolean), codegen

    return product


_one, _two, _three, _eight, _nine = (_columns(n) for n in (1, 2, 3, 8, 9))


@_inline
def accumulate(shares: Any, count: int, table: Any, first: int, columns: int, sums: Any, kept: bool) -> None:
    """sums_c ← Σ_k shares_k · table[first + k, c], added to what they were where ``kept``; table (K·columns)."""
    pair = 2 * width_of(sums)
    at, c = first * columns, 0
    while columns - c >= 10 or columns - c == 8:
        _eight(shares, count, table, at + c, columns, sums, c * pair, kept)
        c += 8
    left = columns - c
    if left == 9:
        _nine(shares, count, table, at + c, columns, sums, c * pair, kept)
        return
    while left >= 3:
        _three(shares, count, table, at + c, columns, sums, c * pair, kept)
        c += 3
        left -= 3
    if left == 2:
        _two(shares, count, table, at + c, columns, sums, c * pair, kept)
    elif left == 1:
        _one(shares, count, table, at + c, columns, sums, c * pair, kept)
