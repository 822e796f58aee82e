"""Philox4x32-10 and Box–Muller on lanes: particles across lanes, the numbers of philox.py to a few units.

Words live in 64-bit lanes, where a 32 × 32 → 64 bit product is one instruction. The angle 2πv is reduced exactly to
|r| ≤ ¼ of a turn about the nearest half; sine and cosine are Chebyshev interpolants there (tests fit them again).
Source: Salmon, Moraes, Dror, Shaw, SC 2011, section 3.3; Box and Muller 1958.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from si_verify.kernels.numba_elementary import emit_log2, emit_polynomial
from si_verify.kernels.numba_lanes import constant, emit_fma, intrinsic, joined, lanes_of, part, splat
from si_verify.kernels.philox import M0, M1, ROUNDS, W0, W1

# sin(2πr)/r and cos(2πr) in r², |r| ≤ ¼, highest power first.
SINE = {
    64: (
        0.10089695501646811163, -0.71773379214134533133, 3.8199280942271642021, -15.094641676117900093,
        42.05869392542868225, -76.705859752824919209, 81.605249276073615183, -41.341702240399756862,
        6.2831853071795864756,
    ),
    32: (
        39.759827085319101139, -76.581172644278724467, 81.60247636892517969, -41.341680613346515274,
        6.2831852801544065035,
    ),
}  # fmt: skip
COSINE = {
    64: (
        0.27194584949998128413, -1.7132184107005932616, 7.9034624920850970551, -26.426254066690256148,
        60.244641313160410601, -85.456817205980613975, 64.939394022663951992, -19.739208802178707069,
        0.99999999999999999608,
    ),
    32: (
        -24.981434467891655141, 60.143889560342146565, -85.45356476099522166, 64.939346476210148061,
        -19.739208547715782548, 0.99999999977915403194,
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
    return emit_fma(builder, real, constant(vector, scale), constant(vector, shift))  # its product is exact


def _circle(builder: Any, v: Any, bits: int) -> tuple[Any, Any, Any]:
    """IR: cos 2πv and sin 2πv but for the sign that both may lack, as the highest bit of whole numbers."""
    vector = v.type
    whole = ir.VectorType(ir.IntType(bits), vector.count)
    magic = constant(vector, 1.5 * 2.0 ** (52 if bits == 64 else 23))
    shifted = emit_fma(builder, v, constant(vector, 2.0), magic)
    r = emit_fma(builder, builder.fsub(shifted, magic), constant(vector, -0.5), v)
    square = builder.fmul(r, r)
    sine = builder.fmul(r, emit_polynomial(builder, square, SINE[bits]))
    cosine = emit_polynomial(builder, square, COSINE[bits])
    return cosine, sine, builder.shl(builder.bitcast(shifted, whole), constant(whole, bits - 1))


def _pair(builder: Any, size: Any, uniforms: list[Any], bits: int) -> tuple[Any, Any]:
    """IR: size √(−2 ln u) (cos 2πv, sin 2πv) of uniforms u, v; the logarithm of u ≤ 1 is no more than zero."""
    u, v = uniforms
    square = builder.fmul(emit_log2(builder, u), constant(u.type, -1.3862943611198906))  # −2 ln 2
    kind = ir.FunctionType(u.type, [u.type])
    root = cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{u.type.count}f{bits}")
    radius = builder.fmul(size, builder.call(root, [square]))
    cosine, sine, sign = _circle(builder, v, bits)
    radius = builder.bitcast(builder.xor(builder.bitcast(radius, sign.type), sign), u.type)
    return builder.fmul(radius, cosine), builder.fmul(radius, sine)


def _normals(builder: Any, real: Any, half: int, steps: list[int], most: int, args: Any) -> Iterator[Any]:
    """IR: coordinates of normals, of ``half`` particles at this step (0), the next one (1), or both."""
    bits = 64 if isinstance(real, ir.DoubleType) else 32
    count = half * len(steps)
    wide = ir.VectorType(ir.IntType(64), count)

    def counter(value: Any, moved: list[int]) -> Any:
        here = builder.add(splat(builder, value, count), ir.Constant(wide, moved))
        return builder.and_(here, constant(wide, _MASK))

    who = counter(args[5], list(range(half)) * len(steps))
    when = counter(args[6], [step for step in steps for _ in range(half)])
    words = _philox(builder, [who, when, *(counter(a, [0] * count) for a in args[7:9])], args[9])
    each = 2 if bits == 64 else 1
    vector = ir.VectorType(real, count)
    uniforms = [_uniform(builder, words[i : i + each], vector) for i in range(0, min(4, most * each), each)]
    size = joined(builder, [splat(builder, args[3 + step], half) for step in steps])
    for i in range(0, len(uniforms), 2):
        yield from _pair(builder, size, uniforms[i : i + 2], bits)


def _drawer(most: int) -> Any:
    @intrinsic
    def drawn(
        typing: Any, out: Any, later: Any, at: Any, scale: Any, scale_later: Any, particle: Any, step: Any, block: Any,
        stream: Any, seed: Any,
    ) -> Any:  # fmt: skip
        lanes = lanes_of(out.dtype)
        bits = lanes.dtype.bitwidth

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            half = 2 * lanes.width
            arrays = [
                context.make_array(k)(context, builder, value=v).data
                for k, v in zip(sig.args[:2], args[:2], strict=True)
            ]
            # Four registers of words as one value: its instructions take turns, and no chain waits for itself alone.
            for steps in ([0, 1],) if bits == 64 else ([0], [1]):
                found = _normals(builder, context.get_value_type(lanes.dtype), half, steps, most, args)
                index = args[2]
                for z in found:
                    for i, step in enumerate(steps):
                        register = part(builder, z, i, half)
                        place = builder.bitcast(builder.gep(arrays[step], [index]), register.type.as_pointer())
                        builder.store(register, place, align=bits // 8)
                    index = builder.add(index, ir.Constant(index.type, half))
            return context.get_dummy_value()

        u64 = types.uint64
        return types.void(out, later, types.intp, out.dtype, out.dtype, u64, u64, u64, u64, u64), codegen

    return drawn


# (out, later, at, scale, scale_later, particle, step, block, stream, seed): ``scale`` times the normals of a coordinate
# block at a step for the particles particle, particle + 1, … of two registers, stored in ``out`` from the flat index
# ``at`` on, coordinate by coordinate; and ``scale_later`` times those of the next step in ``later``. A block has 2
# coordinates in float64, 4 in float32, of which draw_two makes the first 2.
draw, draw_two = _drawer(4), _drawer(2)
