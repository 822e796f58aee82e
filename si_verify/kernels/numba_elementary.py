"""2^x and log2 x on lanes, emitted as straight-line code: numba has no vector mathematics of its own from PyPI.

Polynomials are Chebyshev interpolants fitted in 40 digits (tests/si_verify/test_numba_kernels.py fits them again).
Logarithms of densities are kept in base 2 inside the kernels: splitting x into whole and fraction is then exact, where
base e needs Cody and Waite's two-part ln 2 (W. J. Cody, W. Waite, Software Manual for the Elementary Functions, 1980).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from si_verify.kernels.numba_lanes import constant, emit_fma, intrinsic, joined, part, permutes

# (2^r − 1)/r on |r| ≤ ½, highest power first: absolute error of the fit 1.3e-17 and 5e-9·½.
EXP2 = {
    64: (
        4.4549605981865183938e-10, 7.0725859492692236999e-9, 1.0178062445845773521e-7, 1.3215442587921689653e-6,
        1.5252733829836118394e-5, 1.5403530441736050155e-4, 1.333355814641693531e-3, 9.6181291076068885273e-3,
        5.5504108664821594339e-2, 0.2402265069591009822, 0.69314718055994530942,
    ),
    32: (
        1.5453162945120690177e-4, 1.3390863364671234381e-3, 9.6180825572778514913e-3, 5.5503571142190778186e-2,
        0.24022650760568126945, 0.69314718802622878106,
    ),
}  # fmt: skip
# The same on |r| ≤ ½ / as many numbers as a register holds, for machines that look numbers up in one: 2e-17 and 1e-9.
SHORT_EXP2 = {
    64: (0.000015253429586496909374, 0.0001540443381934758133, 0.0013333558132838855753, 0.0096181290899833007826,
        0.055504108664822243509, 0.24022650695910932816, 0.69314718055994530942),
    32: (0.05550508525196962683, 0.24023355156988720906, 0.69314718055994530942),
}  # fmt: skip
# log2((1 + s)/(1 − s))/s in s², |s| ≤ 3 − 2√2, highest power first.
LOG2 = {
    64: (
        0.21365895694319269427, 0.22091308423117679618, 0.26233435250418301904, 0.32059853491395986095,
        0.41219858584090053448, 0.5770780163455202295, 0.96179669392598972877, 2.8853900817779268115,
    ),
    32: (0.43171769745887384008, 0.5767151860190234273, 0.96179883880211000367, 2.8853900798033363296),
}  # fmt: skip
MANTISSA = {64: 52, 32: 23}
# Much below this the answer would be subnormal, which costs a hundred cycles an operation; callers stop here.
LOWEST = {64: -1000.0, 32: -120.0}
# Whole numbers that can be taken away in the rounding without loss; beyond 2^60 (2^30) the clamp at ``LOWEST`` below
# them would be lost, and every share with it.
EXACT = {64: 2.0**48, 32: 2.0**18}


def _bits(vector: Any) -> int:
    return 64 if isinstance(vector.element, ir.DoubleType) else 32


def emit_polynomial(builder: Any, x: Any, coefficients: tuple[float, ...]) -> Any:
    """IR: by Horner, highest power first."""
    total = constant(x.type, coefficients[0])
    for c in coefficients[1:]:
        total = emit_fma(builder, total, x, constant(x.type, c))
    return total


def emit_exp2(builder: Any, x: Any, looked_up: bool | None = None) -> Any:
    """IR: 2^x for LOWEST ≤ x ≤ 1000 (120 in float32). looked_up: how; by what the machine has if not given."""
    if permutes() if looked_up is None else looked_up:
        return _emit_looked_up(builder, x)
    vector, bits = x.type, _bits(x.type)
    whole = ir.VectorType(ir.IntType(bits), vector.count)
    # Adding 1.5·2^52 leaves round(x) in the low bits.
    magic = constant(vector, 1.5 * 2.0 ** MANTISSA[bits])
    shifted = builder.fadd(x, magic)
    r = builder.fsub(x, builder.fsub(shifted, magic))
    fraction = emit_fma(builder, emit_polynomial(builder, r, EXP2[bits]), r, constant(vector, 1.0))
    power = builder.shl(builder.bitcast(shifted, whole), constant(whole, MANTISSA[bits]))
    return builder.bitcast(builder.add(builder.bitcast(fraction, whole), power), vector)


def _roots(bits: int) -> list[int]:
    """The bits of 2^(j/n), j = 0 … n − 1 for the n numbers of a register, less j where a shift will add it."""
    n = 512 // bits
    powers = np.exp2(np.arange(n, dtype=np.longdouble) / n).astype(f"float{bits}").view(f"int{bits}")
    return [int(power) - (j << MANTISSA[bits]) // n for j, power in enumerate(powers)]


def _emit_looked_up(builder: Any, x: Any, origin: Any = None) -> Any:
    """IR: 2^(x − origin) = 2^(whole + j/n) 2^r, the first factor from a register of n: a polynomial of a third fewer
    terms. origin: whole numbers, ``EXACT`` at most, or none.
    """
    vector, bits = x.type, _bits(x.type)
    n = 512 // bits
    whole = ir.VectorType(ir.IntType(bits), vector.count)
    shift = MANTISSA[bits] - (n.bit_length() - 1)
    magic = constant(vector, 1.5 * 2.0**shift)
    if origin is not None:
        magic = builder.fsub(magic, origin)
    shifted = builder.fadd(x, magic)  # n·(x − origin) to the nearest whole in the low bits
    r = builder.fsub(x, builder.fsub(shifted, magic))
    less = builder.fmul(r, emit_polynomial(builder, r, SHORT_EXP2[bits]))
    low = builder.bitcast(shifted, whole)
    register = ir.VectorType(ir.IntType(bits), n)
    name = "llvm.x86.avx512.permvar.di.512" if bits == 64 else "llvm.x86.avx512.permvar.si.512"
    pick = cgutils.get_or_insert_function(builder.module, ir.FunctionType(register, [register] * 2), name)
    table = ir.Constant(register, _roots(bits))
    found = joined(builder, [builder.call(pick, [table, part(builder, low, i, n)]) for i in range(vector.count // n)])
    power = builder.bitcast(builder.add(found, builder.shl(low, constant(whole, shift))), vector)
    return emit_fma(builder, power, less, power)


def emit_log2(builder: Any, x: Any) -> Any:
    """IR: log2 x for normal x > 0; a NaN becomes some number."""
    vector, bits = x.type, _bits(x.type)
    whole = ir.VectorType(ir.IntType(bits), vector.count)
    pattern = builder.bitcast(x, whole)
    root = 0x3FE6A09E667F3BCD if bits == 64 else 0x3F3504F3  # the bits of √½: mantissas run from √½ to √2
    exponent = builder.ashr(builder.sub(pattern, constant(whole, root)), constant(whole, MANTISSA[bits]))
    power = builder.shl(exponent, constant(whole, MANTISSA[bits]))
    f = builder.fsub(builder.bitcast(builder.sub(pattern, power), vector), constant(vector, 1.0))
    s = builder.fdiv(f, builder.fadd(f, constant(vector, 2.0)))
    total = emit_polynomial(builder, builder.fmul(s, s), LOG2[bits])
    return emit_fma(builder, total, s, builder.sitofp(exponent, vector))


def _no_less(builder: Any, x: Any, lowest: Any) -> Any:
    # In this order it is one instruction, and the NaN of a comparison that fails is kept.
    return builder.select(builder.fcmp_ordered(">", lowest, x), lowest, x)


def emit_exp2_below(builder: Any, a: Any, b: Any) -> Any:
    """IR: see ``exp2_below``."""
    x = builder.fsub(a, b)
    return emit_exp2(builder, _no_less(builder, x, constant(x.type, LOWEST[_bits(x.type)])))


@intrinsic
def exp2_below(typing: Any, a: Any, b: Any) -> Any:
    """2^(a − b) for a ≤ b + ½, but no less than 2^LOWEST: what is added to 1 is then nothing; NaN stays NaN."""
    return a(a, a), lambda context, builder, sig, args: emit_exp2_below(builder, *args)


@intrinsic
def exp2_from(typing: Any, a: Any, origin: Any) -> Any:
    """``exp2_below`` of whole numbers of ``EXACT`` at most: subtracting them is part of taking a's whole part away."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not permutes():
            return emit_exp2_below(builder, *args)
        x, origin = args
        lowest = builder.fadd(origin, constant(x.type, LOWEST[_bits(x.type)]))
        return _emit_looked_up(builder, _no_less(builder, x, lowest), origin)

    return a(a, a), codegen


@intrinsic
def exact_of(typing: Any, array: Any) -> Any:
    """``EXACT`` of the array's dtype."""
    real = array.dtype
    return real(array), lambda context, builder, sig, args: context.get_constant(real, EXACT[real.bitwidth])


@intrinsic
def exp2(typing: Any, x: Any) -> Any:
    """2^x, see ``emit_exp2``."""
    return x(x), lambda context, builder, sig, args: emit_exp2(builder, args[0])


@intrinsic
def log2(typing: Any, x: Any) -> Any:
    """log2 x for normal x > 0; NaN stays NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        (value,) = args
        return builder.select(builder.fcmp_unordered("uno", value, value), value, emit_log2(builder, value))

    return x(x), codegen
