"""Builds the CUDA sources for the CPU with the C++ compiler (cuda_on_cpu.h) and launches instances on CPU tensors."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from si_verify.kernels.cuda_source import source

_TYPES: dict[type, Any] = {
    np.int64: ctypes.c_longlong,
    np.uint64: ctypes.c_ulonglong,
    np.int32: ctypes.c_int,
    np.uint32: ctypes.c_uint,
    np.float32: ctypes.c_float,
    np.float64: ctypes.c_double,
}
HEADER = Path(__file__).with_name("cuda_on_cpu.h")
_PARAMETERS = {
    "fields_narrow": "In x, Index xr, Index xc, Index n, const R* r, Index k, R* d, R* s, R* v",
    "fields_wide": "In x, Index xr, Index xc, Index n, Index k, const R* a, In b, In c, In e, In f, In g, In h, In i, "
    "R* d, R* s, R* v",
    "fields_tiled": "In x, Index xr, Index xc, Index n, int k, const R* a, const R* b, const R* c, const R* e, "
    "const R* f, R* d, R* s, R* v",
    "fields_triangles": "In x, Index xr, Index xc, Index n, int k, const R* a, const R* b, const R* c, const R* e, "
    "const int* m, const R* f, const R* g, const R* h, R* d, R* s, R* v",
    "fields_ends": "In x, Index xr, Index xc, Index n, const R* r, int k, const int* m, const R* e, const R* c, R* d, "
    "R* s, R* v",
    "multiply_adds": "R* o, int n",
    "powers": "R* o, int n",
    "draws": "const R* u, const R* v, R* a, R* b, Index n",
    "paths": "const R* x, R* y, Index n, const R* r, int k, const R* h, int m, unsigned f, unsigned long long s, "
    "unsigned t, unsigned p",
    "stage": "const R* b, const R* r, const R* u, const R* v, const R* w, R* y, Index n, Index l, Index m, R k, R a, "
    "R c, R d, R e, R f, R g, int h, int i, int j",
    "several": "const R* r, const R* u, const R* v, R* y, Index n, Index m, int s, R k, R a, R c, R d, R e, int h",
}


class Library:
    """Instances by their C++ names; ``code``: another source than the field and path kernels'."""

    def __init__(self, names: Iterable[str], folder: Path, code: str | None = None) -> None:
        compiler = shutil.which("g++") or shutil.which("clang++")
        if compiler is None:
            pytest.skip("no C++ compiler to run the CUDA sources on the CPU with")
        self.names = list(dict.fromkeys(names))
        self.namespace = ""  # of the instances that ``launch`` takes
        lines = [f'#include "{HEADER}"', source() if code is None else code, 'extern "C" {']
        for i, name in enumerate(self.names):
            base, real = re.search(r"(\w+)<(\w+)", name).groups()
            parameters = re.sub(r"\bR\b", real, _PARAMETERS[base])
            passed = ", ".join(re.findall(r"(\w+)(?:,|$)", parameters))
            lines.append(
                f"void launch_{i}(unsigned grid, unsigned block, {parameters}) "
                f"{{ cuda_on_cpu::launch(grid, block, [=] {{ {name}({passed}); }}); }}"
            )
        unit, library = folder / "kernels.cpp", folder / "kernels.so"
        unit.write_text("\n".join([*lines, "}"]))
        command = [compiler, "-std=c++17", "-O1", "-w", "-shared", "-fPIC", "-o", str(library), str(unit)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr[:3000]
        self._library = ctypes.CDLL(str(library))

    def __call__(self, name: str, grid: int, block: int, *arguments: Any) -> None:
        function = getattr(self._library, f"launch_{self.names.index(name)}")
        function(ctypes.c_uint(grid), ctypes.c_uint(block), *map(_c, arguments))

    def launch(self, name: str, blocks: int, threads: int, device: torch.device, *arguments: Any, **_: Any) -> None:
        """In the place of si_verify.kernels.cuda_launch.launch; outputs are poisoned first."""
        if name.startswith("fields"):
            for output in arguments[-3:]:
                if output is not arguments[0]:
                    output.fill_(float("nan"))
        if name.startswith(("stage", "several")):
            arguments[5 if name.startswith("stage") else 3].fill_(float("nan"))
        self(self.namespace + name, blocks, threads, *arguments)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While it lasts, what is launched for a GPU runs here.

        Only this one module is put back: restoring all of ``sys.modules`` makes torch import parts of itself twice.
        """
        name = "si_verify.kernels.cuda_launch"
        module, before = ModuleType("cuda_launch"), sys.modules.get(name)
        vars(module)["launch"] = self.launch
        sys.modules[name] = module
        try:
            yield
        finally:
            if before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = before


def _c(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return ctypes.c_void_p(value.data_ptr())
    return _TYPES[type(value)](value.item())
