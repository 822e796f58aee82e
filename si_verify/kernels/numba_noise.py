"""Philox4x32-10 and Box–Muller on lanes: particles across lanes, the numbers of philox.py to a few units.

Words live in 64-bit lanes, where a 32 × 32 → 64 bit product is one instruction. The angle 2πv is reduced exactly to
|r| ≤ ⅛ of a turn about the nearest quarter; sine and cosine are Chebyshev interpolants there (tests fit them again).
Source: Salmon, Moraes, Dror, Shaw, SC 2011, section 3.3; Box and Muller 1958.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from si_verify.kernels.numba_elementary import emit_log2, emit_polynomial
from si_verify.kernels.numba_lanes import constant, intrinsic, lanes_of, splat
from si_verify.kernels.philox import M0, M1, ROUNDS, W0, W1

# sin(2πr)/r and cos(2πr) in r², |r| ≤ ⅛, highest power first.
SINE = {
    64: (
        3.7808689593022955184, -15.093804209987113512, 42.058685020160894047, -76.705859704274550647,
        81.605249275948035209, -41.341702240399636207, 6.2831853071795864572,
    ),
    32: (
        41.472833239509192489, -76.697866350202805827, 81.60520471104575469, -41.3417021533949024,
        6.2831853071523996144,
    ),
}  # fmt: skip
COSINE = {
    64: (
        7.8102909681441905741, -26.424257034882689398, 60.244620085930289843, -85.456817090341146407,
        64.939394022365371238, -19.739208802178421457, 0.99999999999999995284,
    ),
    32: (
        59.220168958296096218, -85.442844673081659515, 64.939316135709049629, -19.739208650130595513,
        0.99999999995248941669,
    ),
}  # fmt: skip
_MASK = 0xFFFFFFFF


def _philox(builder: Any, counter: list[Any], seed: Any) -> list[Any]:
    """IR: counter of four <n × i64> registers of 32-bit words, seed an i64 -> four registers of words."""
    c0, c1, c2, c3 = counter
    kind = c0.type
    mask, half = constant(kind, _MASK), constant(kind, 32)
    word = ir.IntType(64)
    keys = [builder.and_(seed, ir.Constant(word, _MASK)), builder.lshr(seed, ir.Constant(word, 32))]
    for _ in range(ROUNDS):
        k0, k1 = (splat(builder, k, kind.count) for k in keys)
        # Only factors are cut to 32 bits, which a multiplier of 32 × 32 bits does by itself; the rest carry dirt above.
        p0, p1 = (builder.mul(builder.and_(c, mask), constant(kind, m)) for c, m in ((c0, M0), (c2, M1)))
        c0, c2 = (builder.xor(builder.xor(builder.lshr(p, half), c), k) for p, c, k in ((p1, c1, k0), (p0, c3, k1)))
        c1, c3 = p1, p0
        steps = (ir.Constant(word, w) for w in (W0, W1))
        keys = [builder.and_(builder.add(k, w), ir.Constant(word, _MASK)) for k, w in zip(keys, steps, strict=True)]
    return [builder.and_(c, mask) for c in (c0, c1, c2, c3)]


def _uniform(builder: Any, words: list[Any], vector: Any) -> Any:
    """IR: (0, 1] as philox.uniform32 of one register of words, or uniform64 of two."""
    if len(words) == 1:
        narrow = builder.trunc(words[0], ir.VectorType(ir.IntType(32), vector.count))
        real, scale, shift = builder.uitofp(narrow, vector), 2.0**-32, 2.0**-33
    else:
        high = builder.shl(words[0], constant(words[0].type, 21))
        bits = builder.or_(high, builder.lshr(words[1], constant(words[1].type, 11)))
        real, scale, shift = builder.uitofp(bits, vector), 2.0**-53, 2.0**-54
    return builder.fadd(builder.fmul(real, constant(vector, scale)), constant(vector, shift))


def _circle(builder: Any, v: Any, bits: int) -> tuple[Any, Any]:
    """IR: cos 2πv and sin 2πv."""
    vector = v.type
    whole = ir.VectorType(ir.IntType(bits), vector.count)
    magic = constant(vector, 1.5 * 2.0 ** (52 if bits == 64 else 23))
    shifted = builder.fadd(builder.fmul(v, constant(vector, 4.0)), magic)
    quarters = builder.fmul(builder.fsub(shifted, magic), constant(vector, 0.25))
    r = builder.fsub(v, quarters)
    square = builder.fmul(r, r)
    sine = builder.fmul(r, emit_polynomial(builder, square, SINE[bits]))
    cosine = emit_polynomial(builder, square, COSINE[bits])
    n = builder.bitcast(shifted, whole)
    odd = builder.icmp_unsigned("!=", builder.and_(n, constant(whole, 1)), constant(whole, 0))

    def signed(value: Any, quarter: Any) -> Any:
        sign = builder.shl(builder.and_(quarter, constant(whole, 2)), constant(whole, bits - 2))
        return builder.bitcast(builder.xor(builder.bitcast(value, whole), sign), vector)

    return (
        signed(builder.select(odd, sine, cosine), builder.add(n, constant(whole, 1))),
        signed(builder.select(odd, cosine, sine), n),
    )


def _pair(builder: Any, size: Any, uniforms: list[Any], bits: int) -> tuple[Any, Any]:
    """IR: size √(−2 ln u) (cos 2πv, sin 2πv) of uniforms u, v."""
    u, v = uniforms
    square = builder.fmul(emit_log2(builder, u), constant(u.type, -1.3862943611198906))  # −2 ln 2
    positive = builder.select(builder.fcmp_ordered(">", square, constant(u.type, 0.0)), square, constant(u.type, 0.0))
    kind = ir.FunctionType(u.type, [u.type])
    root = cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{u.type.count}f{bits}")
    radius = builder.fmul(size, builder.call(root, [positive]))
    cosine, sine = _circle(builder, v, bits)
    return builder.fmul(radius, cosine), builder.fmul(radius, sine)


def _drawer(most: int) -> Any:
    @intrinsic
    def drawn(
        typing: Any, out: Any, at: Any, scale: Any, particle: Any, step: Any, block: Any, stream: Any, seed: Any
    ) -> Any:
        lanes = lanes_of(out.dtype)
        bits = lanes.dtype.bitwidth

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            # Both registers as one value: its instructions take turns, and neither's chain waits for itself alone.
            count = 2 * lanes.width
            vector = ir.VectorType(context.get_value_type(lanes.dtype), count)
            wide = ir.VectorType(ir.IntType(64), count)
            mask = constant(wide, _MASK)
            iota = ir.Constant(wide, list(range(count)))
            who = builder.and_(builder.add(splat(builder, args[3], count), iota), mask)
            rest = [builder.and_(splat(builder, a, count), mask) for a in args[4:7]]
            words = _philox(builder, [who, *rest], args[7])
            each = 2 if bits == 64 else 1
            used = min(4, most * each)
            uniforms = [_uniform(builder, words[i : i + each], vector) for i in range(0, used, each)]
            size = splat(builder, args[2], count)
            pairs = (_pair(builder, size, uniforms[i : i + 2], bits) for i in range(0, len(uniforms), 2))
            data = context.make_array(sig.args[0])(context, builder, value=args[0]).data
            index, stride = args[1], ir.Constant(args[1].type, count)
            for z in (z for pair in pairs for z in pair):
                builder.store(z, builder.bitcast(builder.gep(data, [index]), vector.as_pointer()), align=bits // 8)
                index = builder.add(index, stride)
            return context.get_dummy_value()

        u64 = types.uint64
        return types.void(out, types.intp, out.dtype, u64, u64, u64, u64, u64), codegen

    return drawn


# (out, at, scale, particle, step, block, stream, seed): ``scale`` times the normals of a coordinate block for the
# particles particle, particle + 1, … of two registers, stored in ``out`` from the flat index ``at`` on, coordinate by
# coordinate: a block has 2 coordinates in float64, 4 in float32, of which draw_two makes the first 2.
draw, draw_two = _drawer(4), _drawer(2)
