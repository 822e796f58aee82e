"""``python -m benchmarks.kernels.sass``: what the assembler makes of the CUDA kernels for an H100, as a Markdown table.

No device is asked. The loop of a row is the smallest one that holds the row's mark, an instruction that comes a known
number of times a unit: MUFU.EX2 a component and point, STG or STS a cell. Where there are several, as for tiles inside
the grid and at its edges, it is the leanest. Both sides of a forward branch within it count, and every instruction as
one slot of a thread: none waits for data, for a unit that is busy, or for another warp. What comes once a point, or
once a step of a path, is all the code around the loop, some of which runs for more than 4096 components only. A warp's
MUFU keeps its unit for eight cycles: the limit is the smaller of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from si_verify.kernels import cuda_divergence, cuda_ends, cuda_tiled, cuda_triangles
from si_verify.kernels.cuda_records import GROUP
from si_verify.kernels.cuda_sass import Assembled, Loop, assemble, innermost, loops, mix
from si_verify.kernels.cuda_source import MIXTURE, STENCIL, field_kernel, path_kernel, path_points
from si_verify.kernels.cuda_stencil import TILES, several_kernel, stage_kernel

# Slots a second of an H100 SXM: multiprocessors, schedulers, lanes, boost clock in Hz.
SLOTS = 132 * 4 * 32 * 1.755e9
BANDWIDTH = 3.35e12
_MUFU = 8
_ALL = ("log_density", "score", "velocity")
_HEAD = (
    "case", "registers", "spilled", "shared bytes", "blocks a multiprocessor", "slots a unit", "of these",
    "once a point", "slots a point", "the issue's floor", "upper limit by count, not a measurement", "target",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """An instance, and how to read its loop.

    units     components, or a tile's stages for one that is written, a point (a cell)
    marks     of ``mark`` a unit; or ``inside``: units that one round of the loop does, whatever its marks
    lanes     threads that share a unit
    points    of a thread; cells of a band
    share     of what comes once that counts a point: a pass of eight stages is once for eight
    ends      a point goes through, each with what stands around the loop
    nested    by loop within the loop, in order: an instruction, and how many of it one round of the loop executes
    floor, target   slots a point by the issue; points, particle-steps or cell-steps a second
    """

    case: str
    name: str
    files: tuple[str, ...] = MIXTURE
    threads: int = 128
    mark: str = "MUFU.EX2"
    marks: float = 1.0
    inside: float = 0.0
    lanes: float = 1.0
    points: float = 1.0
    units: float = 1.0
    share: float = 1.0
    ends: int = 0
    nested: tuple[tuple[str, int], ...] = ()
    floor: float | None = None
    target: float | None = None
    loop: bool = True


@dataclass(frozen=True)
class Count:
    """Slots a unit, what they are, slots once a point; see the module."""

    unit: float
    kinds: dict[str, float]
    once: float


def count(row: Row, found: Assembled) -> Count:
    """The row's numbers from its instance's code."""

    def size(loop: Loop) -> int:
        return sum(mix(found.body[loop.first : loop.last + 1]).values())

    def units(loop: Loop) -> float:
        body = found.body[loop.first : loop.last + 1]
        return row.inside or sum(i.code.startswith(row.mark) for i in body) / row.marks

    candidates = innermost(found.body, row.mark)
    if not candidates:
        raise RuntimeError(f"expected a loop with {row.mark} in {found.name}, got none")
    loop = min(candidates, key=lambda one: size(one) / units(one))
    around = [a for a in loops(found.body) if a.first < loop.first and loop.last < a.last]
    # A path's steps are the loop around its components; elsewhere once is the whole kernel.
    outer = min(around, key=size) if row.name.startswith("paths") else Loop(0, len(found.body) - 1)
    every = sum(map(size, candidates)) if outer.first == 0 else size(loop)
    # What stands about the components of an end comes once an end.
    ends = (row.ends - 1) * (min(map(size, around)) - size(loop)) if row.ends else 0
    kinds: dict[str, float] = {k: float(v) for k, v in mix(found.body[loop.first : loop.last + 1]).items() if v}
    within = [a for a in loops(found.body) if loop.first < a.first and a.last < loop.last]
    for one, (code, executed) in zip(within, row.nested, strict=bool(row.nested)):
        part = mix(found.body[one.first : one.last + 1])
        for kind, number in part.items():
            kinds[kind] = kinds.get(kind, 0.0) + number * (executed / part[code] - 1)
    scale = row.lanes / units(loop)
    kinds = {k: v * scale for k, v in kinds.items() if v}
    return Count(sum(kinds.values()), kinds, row.share * row.lanes * (size(outer) - every + ends) / row.points)


def _field(kind: str, k: int, dim: int, quantities: tuple[str, ...], floor: float, target: float | None) -> Row:
    kernel = field_kernel(kind, dim, "float32", quantities)
    word = quantities[0] if len(quantities) == 1 else "all"
    case, each = f"{kind}, K = {k}, D = {dim}, {word}", kernel.points / kernel.threads
    if not kernel.narrow:
        points = 32 * each
        return Row(
            case, kernel.name, threads=kernel.threads, inside=points, lanes=32, points=points, units=k, floor=floor,
            target=target, loop=kind != "full",
        )  # fmt: skip
    marks = 2.0 if kind == "full" else 1 + 1 / GROUP  # weights, and a rescaling a group
    return Row(case, kernel.name, marks=marks, points=each, units=k, floor=floor, target=target)


def _path(k: int, dim: int, target: float) -> Row:
    return Row(
        f"Euler–Maruyama, isotropic, (K, D) = ({k}, {dim})", path_kernel("isotropic", dim, "float32", "euler", True),
        marks=1 + 1 / GROUP, points=path_points("isotropic", dim, "float32"), units=k,
        floor=3 * k * dim + 8 * k + 26 * dim, target=target,
    )  # fmt: skip


def _stencils() -> Iterator[Row]:
    real, tile = torch.float32, TILES[torch.float32]
    bound = 0.85 * BANDWIDTH / 16
    yield Row("stencil, a stage, 2-D", stage_kernel(real, 2), STENCIL, 256, mark="STG", points=32, target=bound)
    yield Row("stencil, a stage, 3-D", stage_kernel(real, 3), STENCIL, 256, mark="STG", points=32)
    rows, columns = tile.inside(8)
    waste = tile.rows * tile.strips * tile.columns / (rows * columns)
    for averaged, word in ((False, "Euler"), (True, "SSPRK2")):
        yield Row(
            f"stencil, 8 stages, {word}", several_kernel(real, averaged), STENCIL, tile.threads, mark="STS",
            points=tile.rows, units=waste, share=waste / 8, target=2.5 * bound,
        )  # fmt: skip
    yield Row("the same, 512²", several_kernel(real, True), STENCIL, tile.threads, mark="STS", points=tile.rows,
              units=waste, share=waste / 8, target=1e11)  # fmt: skip


def _derivatives() -> Iterator[Row]:
    for kind, k, dim in (("isotropic", 64, 2), ("isotropic", 64, 16), ("diagonal", 64, 128), ("full", 64, 16)):
        for probing in (False, True):
            lanes = cuda_divergence.lanes(dim)
            yield Row(
                f"divergence, {kind}, K = {k}, D = {dim}{', probe' if probing else ''}",
                cuda_divergence.instance(kind, dim, "float32", probing), cuda_divergence.FILES, inside=1, lanes=lanes,
                units=k, loop=kind != "full",
            )  # fmt: skip


def rows() -> list[Row]:
    """The instances behind the H100 targets of issue 6, and the derivatives, for which it asks nothing."""

    def slots(k: int, dim: int) -> float:
        return k * (3.0 * dim + 9)

    bound = 0.85 * BANDWIDTH / (12 * 2 + 4)
    fields = [_field("isotropic", 4, 2, _ALL, slots(4, 2), bound)]
    fields += [_field("isotropic", 64, d, ("score",), slots(64, d), 0.6 * SLOTS / slots(64, d)) for d in (2, 16)]
    fields += [_field("isotropic", 1024, d, ("score",), slots(1024, d), rate) for d, rate in ((16, 0.6e9), (128, 8e7))]
    fields += [_field("full", 64, d, ("velocity",), (64 + 16) * d * d, rate) for d, rate in ((16, 0.7e9), (128, 2e7))]
    # A thread of 64 takes 16 of a tile's 32·32 pairs: 16 quads of it to load, 8 a step of 4 coordinates, 4 a component.
    tiled = cuda_tiled.instance(128, "float32", ("score",))
    fields.append(
        Row(
            "isotropic in tiles, K = 1024, D = 128, score", tiled, cuda_tiled.FILES, cuda_tiled.THREADS, inside=16,
            points=0.5, units=1024, nested=(("LDG", 16), ("LDS", 8 * 32), ("LDS", 4 * 32)), floor=slots(1024, 128),
            target=8e7,
        )
    )  # fmt: skip
    triangles = cuda_triangles.instance(128, "float32", ("velocity",))
    fields.append(
        Row(
            "full in triangles, K = 64, D = 128, velocity", triangles, cuda_triangles.FILES, cuda_triangles.THREADS,
            floor=80 * 128.0**2, target=2e7, loop=False,
        )
    )  # fmt: skip
    fields.append(
        Row(
            "full, K = 64, D = 16, velocity, by the components of one end",
            cuda_ends.instance(16, "float32", ("velocity",)),
            cuda_ends.FILES,
            marks=2,
            units=64,
            ends=8,
            floor=(64 + 16) * 16.0**2,
            target=0.7e9,
        )
    )
    return [*fields, _path(4, 2, 1.5e11), _path(16, 16, 1.2e10), *_stencils(), *_derivatives()]


def _cells(row: Row, found: Assembled) -> tuple[str, ...]:
    head = (
        row.case, str(found.registers), str(found.spilled), str(found.shared), str(found.blocks(row.threads)),
    )  # fmt: skip
    floor, target = ("" if v is None else f"{v:.3g}" for v in (row.floor, row.target))
    if not row.loop:
        return (*head, "loops in the loop: not counted", "", "", "", floor, "", target)
    counted = count(row, found)
    kinds = ", ".join(f"{k} {v:.1f}" for k, v in counted.kinds.items())
    whole = row.units * counted.unit + counted.once
    busy = row.units * _MUFU * counted.kinds.get("MUFU", 0.0)
    limit = SLOTS / max(whole, busy)
    return (*head, f"{counted.unit:.1f}", kinds, f"{counted.once:.0f}", f"{whole:.0f}", floor, f"{limit:.3g}", target)


def table() -> Iterator[str]:
    """The lines of the table. Unavailable without NVRTC or nvdisasm."""
    yield "| " + " | ".join(_HEAD) + " |"
    yield "| " + " | ".join("---" for _ in _HEAD) + " |"
    for row in rows():
        yield "| " + " | ".join(_cells(row, assemble(row.name, row.files))) + " |"


if __name__ == "__main__":
    print("\n".join(table()))
