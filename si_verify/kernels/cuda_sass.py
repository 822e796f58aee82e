"""What the assembler makes of a kernel, with no device at hand: registers, spills, shared memory, and its SASS.

NVRTC assembles as well as it compiles, and CuPy launches what it assembled: so do the cubins here come from it, and no
ptxas of another version has a say. The listing is nvdisasm's, from PATH, CUDA_HOME, a wheel of CUDA's or Triton's.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from si_verify.kernels.cuda_compile import cubin
from si_verify.kernels.cuda_source import MIXTURE
from si_verify.subject import Unavailable

_LINE = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)([^;]*);")
_LABEL = re.compile(r"^(\.L\w+):")
_TARGET = re.compile(r"\((\.L\w+)\)")


@dataclass(frozen=True)
class Instruction:
    """``code`` with its modifiers ("LDS.128"), ``operands``, ``target``: index of the one branched to, or -1."""

    code: str
    operands: str
    target: int

    @property
    def base(self) -> str:
        """The code without modifiers."""
        return self.code.split(".")[0]


@dataclass(frozen=True)
class Assembled:
    """One kernel for one architecture; bytes of shared memory are the static ones, spills bytes a thread."""

    name: str
    registers: int
    spilled: int
    shared: int
    body: tuple[Instruction, ...]

    def blocks(self, threads: int, shared: int = 0) -> int:
        """Resident blocks of so many threads by the limits of sm_90: 65536 registers, given to a warp 256 at a time,
        2048 threads, 32 blocks, 228 KiB of shared memory of which each block takes 1 KiB more. shared: dynamic bytes.
        """
        warps = -(-threads // 32)
        held = -(-self.registers * 32 // 256) * 256 * warps
        return min(65536 // held, 2048 // (32 * warps), 32, 228 * 1024 // (self.shared + shared + 1024))


def nvdisasm() -> str:
    """Its path. Unavailable where there is none."""
    places = [shutil.which("nvdisasm")]
    folders = [Path(home, "bin") for name in ("CUDA_HOME", "CUDA_PATH") if (home := os.environ.get(name))]
    if (wheels := find_spec("nvidia")) and wheels.submodule_search_locations:
        folders += [path for root in wheels.submodule_search_locations for path in sorted(Path(root).glob("*/bin"))]
    if (triton := find_spec("triton")) and triton.submodule_search_locations:
        folders += [Path(root, "backends", "nvidia", "bin") for root in triton.submodule_search_locations]
    places += [shutil.which("nvdisasm", path=str(folder)) for folder in folders]
    found = next((place for place in places if place), None)
    if found is None:
        raise Unavailable("nvdisasm is not on PATH, in CUDA_HOME or a wheel: pip install nvidia-cuda-nvdisasm")
    return found


@lru_cache(maxsize=256)
def assemble(name: str, files: tuple[str, ...] = MIXTURE, architecture: str = "sm_90") -> Assembled:
    """The instance ``name`` of the kernels in ``files``. Unavailable without NVRTC or nvdisasm, or where the latter is
    too old to read the former's cubins.
    """
    image, log = cubin(name, architecture, files)
    used = re.search(r"Used (\d+) registers", log)
    spills = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    if used is None or spills is None:
        raise RuntimeError(f"expected registers and spills in the assembler's log, got:\n{log}")
    shared = re.search(r"(\d+) bytes smem", log)
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder, "kernel.cubin")
        at.write_bytes(image)
        listing = subprocess.run([nvdisasm(), "-c", str(at)], capture_output=True, text=True, check=False)
    if listing.returncode:
        raise Unavailable(f"nvdisasm does not read this NVRTC's cubin: {listing.stderr.strip()}")
    # A stack frame is local memory too: arrays that an index not known at compile time keeps out of registers.
    return Assembled(
        name=name,
        registers=int(used[1]),
        spilled=sum(map(int, spills.groups())),
        shared=int(shared[1]) if shared else 0,
        body=tuple(instructions(listing.stdout.splitlines())),
    )


def instructions(lines: Iterable[str]) -> list[Instruction]:
    """The instructions of a listing with one kernel."""
    labels: dict[str, int] = {}
    found: list[tuple[str, str]] = []
    for line in lines:
        if label := _LABEL.match(line):
            labels[label[1]] = len(found)
        elif match := _LINE.search(line):
            found.append((match[2], match[3].strip()))
    body = []
    for code, operands in found:
        target = _TARGET.search(operands) if code.startswith("BRA") else None
        body.append(Instruction(code, operands, labels[target[1]] if target else -1))
    return body


@dataclass(frozen=True)
class Loop:
    """Instructions ``first`` … ``last``, the latter the branch back to the former."""

    first: int
    last: int


def loops(body: tuple[Instruction, ...]) -> Iterator[Loop]:
    """Every backward branch but that to itself, which ends a kernel."""
    for at, instruction in enumerate(body):
        if 0 <= instruction.target < at:
            yield Loop(instruction.target, at)


def innermost(body: tuple[Instruction, ...], mark: str) -> list[Loop]:
    """The loops with an instruction whose code starts with ``mark`` and no smaller loop with one in them."""

    def marked(loop: Loop) -> bool:
        return any(i.code.startswith(mark) for i in body[loop.first : loop.last + 1])

    found = [loop for loop in loops(body) if marked(loop)]
    return [a for a in found if not any(b != a and a.first <= b.first and b.last <= a.last for b in found)]


def mix(body: Iterable[Instruction]) -> dict[str, int]:
    """How many instructions there are of what takes an issue slot, by kind; "other": addresses, compares, moves."""
    kinds = ("FFMA", "FADD", "FMUL", "FMNMX", "MUFU", "LDS", "LDG", "LDC", "STS", "STG", "DFMA", "DADD", "DMUL", "HMMA")
    counts = dict.fromkeys((*kinds, "other"), 0)
    for instruction in body:
        if instruction.base != "NOP":
            counts[instruction.base if instruction.base in counts else "other"] += 1
    return counts
