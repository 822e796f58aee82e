"""What Triton's compiler and assembler make of a kernel, with no device at hand: registers, spills, memory, SASS.

Triton compiles for any architecture by the LLVM and ptxas in its wheel; cuobjdump and nvdisasm lie beside them. This
module imports triton where it is called; under ``TRITON_INTERPRET=1`` there is nothing to compile.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from si_verify.kernels.cuda_sass import Instruction, instructions, loops
from si_verify.subject import Unavailable

_USED = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")
MATRIX = ("HMMA", "HGMMA")  # instructions of tensor cores, sm_80 and sm_90


@dataclass(frozen=True)
class Compiled:
    """One instance. shared: bytes a block; stack: bytes a thread that did not fit into registers."""

    registers: int
    stack: int
    shared: int
    body: tuple[Instruction, ...]

    def loop(self) -> Counter[str]:
        """Instructions of the smallest loop that holds as many matrix products as any, by their code's first word."""
        spans = [self.body[loop.first : loop.last + 1] for loop in loops(self.body)]
        counts = [Counter(i.base for i in span if i.base != "NOP") for span in spans]
        return max(counts, key=lambda found: (_products(found), -found.total()), default=Counter())

    def kinds(self) -> set[str]:
        """The matrix instructions with their modifiers."""
        return {i.code for i in self.body if i.base in MATRIX}


def _products(found: Mapping[str, int]) -> int:
    return sum(found.get(code, 0) for code in MATRIX)


def compile_for(
    kernel: Any,
    constants: Mapping[str, Any],
    types: Mapping[str, str],
    sm: int,
    *,
    aligned: Collection[str] = (),
    warps: int = 4,
    stages: int = 3,
) -> Compiled:
    """An instance for sm_80, sm_90 and the like.

    kernel     a function under ``triton.jit``; constants: its constexpr arguments and others fixed at compile time
    types      of all other arguments: "*fp32", "i64", ...; pointers are taken to be aligned to 16 bytes, as torch's are
    aligned    integers that are multiples of 16, which Triton looks at before it compiles
    """
    if type(kernel).__name__ != "JITFunction":
        raise Unavailable("TRITON_INTERPRET=1: kernels are interpreted, not compiled")
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = list(kernel.arg_names)
    if missing := [name for name in names if name not in constants and name not in types]:
        raise ValueError(f"types: expected the type of every argument, got none of {', '.join(missing)}")
    signature = {name: "constexpr" if name in constants else types[name] for name in names}
    wide = [i for i, name in enumerate(names) if signature[name].startswith("*") or name in aligned]
    even: dict[Any, Any] = {(i,): [["tt.divisibility", 16]] for i in wide}
    source = ASTSource(kernel, signature, {(names.index(name),): value for name, value in constants.items()}, even)
    made = triton.compile(source, target=GPUTarget("cuda", sm, 32), options={"num_warps": warps, "num_stages": stages})
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder, "kernel.cubin")
        at.write_bytes(made.asm["cubin"])
        usage, listing = (
            subprocess.run([str(tools / tool), option, str(at)], capture_output=True, text=True, check=True).stdout
            for tool, option in (("cuobjdump", "--dump-resource-usage"), ("nvdisasm", "-c"))
        )
    used = _USED.search(usage)
    if used is None:
        raise RuntimeError(f"expected registers in cuobjdump's answer, got:\n{usage}")
    return Compiled(
        registers=int(used[1]),
        stack=int(used[2]) + int(used[4]),
        shared=int(made.metadata.shared),
        body=tuple(instructions(listing.splitlines())),
    )
