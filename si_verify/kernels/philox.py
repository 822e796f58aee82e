"""Counter-based noise: Philox4x32-10 in NumPy, and the normals that every fused path kernel draws from it.

A kernel draws its noise where it needs it; anyone else draws the same noise here. Counter and key are

    counter = (particle, step, coordinate block, stream),   key = (seed mod 2³², seed div 2³²)

and one call gives four 32-bit words. float32: words (a, b) and (c, d) give two Box–Muller pairs, so block j holds the
coordinates 4j … 4j + 3. float64: (a, b) is one 53-bit uniform, (c, d) the other, so block j holds 2j and 2j + 1:

    z_even = √(−2 log u) cos 2πv,   z_odd = √(−2 log u) sin 2πv,   u, v in (0, 1]

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3; Box and Muller
1958.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

M0, M1 = 0xD2511F53, 0xCD9E8D57  # multipliers
W0, W1 = 0x9E3779B9, 0xBB67AE85  # Weyl increments of the key
ROUNDS = 10
WIDTH = {"float32": 4, "float64": 2}  # normals from one call
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

Words = NDArray[np.uint32]


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Four 32-bit words for every counter; the counter's parts are broadcast against each other."""
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(c, dtype=np.uint64) & _LOW for c in counter))
    k0, k1 = int(key[0]) & 0xFFFFFFFF, int(key[1]) & 0xFFFFFFFF
    for _ in range(ROUNDS):
        p0, p1 = np.uint64(M0) * c0, np.uint64(M1) * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ np.uint64(k0), p1 & _LOW, (p0 >> _HALF) ^ c3 ^ np.uint64(k1), p0 & _LOW
        k0, k1 = (k0 + W0) & 0xFFFFFFFF, (k1 + W1) & 0xFFFFFFFF
    words = [c.astype(np.uint32) for c in (c0, c1, c2, c3)]
    return words[0], words[1], words[2], words[3]


def uniform32(word: Words) -> NDArray[np.float32]:
    """(word + ½) 2⁻³² rounded to float32 once: the same bits as one fused multiply-add gives."""
    return word.astype(np.float32) * np.float32(2.0**-32) + np.float32(2.0**-33)


def uniform64(high: Words, low: Words) -> NDArray[np.float64]:
    """The upper 53 of 64 bits, plus a half, times 2⁻⁵³: in (0, 1]."""
    bits = (high.astype(np.uint64) << _HALF | low.astype(np.uint64)) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53 + 2.0**-54


def normals(
    particles: Any, step: int, dim: int, seed: int, stream: int = 0, dtype: str = "float64"
) -> NDArray[np.float64]:
    """Standard normals (N, D) of particles (N,) at one step, in float64.

    dtype: the kernel's, which decides how words become uniforms. For "float32" the uniforms are the kernel's to the
    bit and the rest is done in float64: a kernel differs by a few float32 units.
    """
    if dtype not in WIDTH:
        raise ValueError(f"dtype: expected 'float32' or 'float64', got {dtype!r}")
    width = WIDTH[dtype]
    blocks = np.arange(-(-dim // width), dtype=np.uint64)
    who = np.asarray(particles, dtype=np.uint64)[:, None]
    a, b, c, d = philox((who, step, blocks, stream), (seed, seed >> 32))
    if dtype == "float32":
        pairs: list[tuple[Any, Any]] = [(uniform32(a), uniform32(b)), (uniform32(c), uniform32(d))]
    else:
        pairs = [(uniform64(a, b), uniform64(c, d))]
    columns = []
    for u, v in pairs:
        radius, angle = np.sqrt(-2.0 * np.log(u.astype(np.float64))), 2.0 * np.pi * v.astype(np.float64)
        columns += [radius * np.cos(angle), radius * np.sin(angle)]
    return np.stack(columns, axis=-1).reshape(len(who), -1)[:, :dim]
