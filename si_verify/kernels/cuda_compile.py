"""PTX and machine code of kernels by NVRTC, with no device at hand. Imports CuPy's binding of NVRTC late."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from si_verify.kernels.cuda_source import MIXTURE, source
from si_verify.subject import Unavailable

OPTIONS = ("--std=c++17", "--fmad=true")


def ptx(names: Sequence[str], architecture: str, files: tuple[str, ...] = MIXTURE) -> str:
    """PTX of instances in ``files`` for "compute_80" and the like. Unavailable without NVRTC; RuntimeError: its log."""
    with _compiled(names, files, (f"--gpu-architecture={architecture}",)) as (nvrtc, program):
        text = nvrtc.getPTX(program)
    return text.decode() if isinstance(text, bytes) else text


def cubin(name: str, architecture: str, files: tuple[str, ...] = MIXTURE) -> tuple[bytes, str]:
    """An instance assembled by NVRTC itself for "sm_90" and the like, and what the assembler says of it. As ``ptx``."""
    options = (f"--gpu-architecture={architecture}", "--ptxas-options=-v")
    with _compiled((name,), files, options) as (nvrtc, program):
        image, log = nvrtc.getCUBIN(program), nvrtc.getProgramLog(program)
    # CuPy takes the last byte for the end of a string; what tables need is there, but not the file's full length.
    return image + b"\0", log


@contextmanager
def _compiled(names: Sequence[str], files: tuple[str, ...], options: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    try:
        from cupy_backends.cuda.libs import nvrtc

        nvrtc.getVersion()
    except Exception as error:  # a library that is not there shows as ImportError, OSError or RuntimeError
        reason = f"NVRTC cannot be had ({type(error).__name__}: {error}): pip install cupy-cuda13x nvidia-cuda-nvrtc"
        raise Unavailable(reason) from error
    program = nvrtc.createProgram(source(files), "si_verify_kernels.cu", [], [])
    try:
        for name in names:
            nvrtc.addNameExpression(program, name)
        try:
            nvrtc.compileProgram(program, [*OPTIONS, *options])
        except nvrtc.NVRTCError as error:
            raise RuntimeError(f"NVRTC refused the source:\n{nvrtc.getProgramLog(program)}") from error
        yield nvrtc, program
    finally:
        nvrtc.destroyProgram(program)


def entries(text: str) -> list[str]:
    """Mangled names of the kernels in a PTX text."""
    return re.findall(r"\.entry\s+([\w$]+)\s*\(", text)
