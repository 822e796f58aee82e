"""The probes of probes.py on lanes: ±1 for two registers of rows, Philox's words across lanes as in numba_noise.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types

from si_verify.kernels.numba_lanes import constant, intrinsic, lanes_of, splat, width_of
from si_verify.kernels.numba_noise import _MASK, _philox
from si_verify.kernels.probes import BLOCK, STREAM

_BLOCK, _STREAM = BLOCK, np.uint64(STREAM)


@intrinsic
def _words(
    typing: Any, like: Any, out: Any, at: Any, row: Any, draw: Any, block: Any, stream: Any, seed: Any
) -> Any:  # fmt: skip
    """A register of rows (row, row + 1, …): word i of each at out[at + 2·width·i …], uint64."""
    lanes = lanes_of(like.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        wide = ir.VectorType(ir.IntType(64), lanes.width)
        mask = constant(wide, _MASK)
        iota = ir.Constant(wide, list(range(lanes.width)))
        who = builder.and_(builder.add(splat(builder, args[3], lanes.width), iota), mask)
        rest = [builder.and_(splat(builder, a, lanes.width), mask) for a in args[4:7]]
        data = context.make_array(sig.args[1])(context, builder, value=args[1]).data
        for i, word in enumerate(_philox(builder, [who, *rest], args[7])):
            index = builder.add(args[2], context.get_constant(types.intp, 2 * lanes.width * i))
            builder.store(word, builder.bitcast(builder.gep(data, [index]), wide.as_pointer()), align=8)
        return context.get_dummy_value()

    u64 = types.uint64
    return types.void(like, out, types.intp, u64, u64, u64, u64, u64), codegen


@njit(error_model="numpy", boundscheck=False)
def draw_signs(vs: Any, words: Any, dim: int, row: Any, draw: Any, seed: Any) -> None:
    """vs: signs of rows row … row + 2·width − 1, coordinates apart as ``fetch`` leaves them; words (8·width) uint64."""
    points = 2 * width_of(vs)
    one = vs.dtype.type(1)
    for d in range(dim):
        if d % _BLOCK == 0:
            for half in range(2):
                first = half * width_of(vs)
                _words(vs, words, first, np.uint64(row + first), draw, np.uint64(d // _BLOCK), _STREAM, seed)
        word, bit = d % _BLOCK // 32, np.uint64(d % 32)
        for i in range(points):
            set_ = np.int64((words[word * points + i] >> bit) & np.uint64(1))
            vs[d * points + i] = one - vs.dtype.type(2 * set_)
