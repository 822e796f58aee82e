"""PTX of kernels by NVRTC, with no device at hand. Imports CuPy's binding of NVRTC late."""

from __future__ import annotations

import re
from collections.abc import Sequence

from si_verify.kernels.cuda_source import MIXTURE, source
from si_verify.subject import Unavailable

OPTIONS = ("--std=c++17", "--fmad=true")


def ptx(names: Sequence[str], architecture: str, files: tuple[str, ...] = MIXTURE) -> str:
    """PTX of instances in ``files`` for "compute_80" and the like. Unavailable without NVRTC; RuntimeError: its log."""
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
            nvrtc.compileProgram(program, [*OPTIONS, f"--gpu-architecture={architecture}"])
        except nvrtc.NVRTCError as error:
            raise RuntimeError(f"NVRTC refused the source:\n{nvrtc.getProgramLog(program)}") from error
        text = nvrtc.getPTX(program)
    finally:
        nvrtc.destroyProgram(program)
    return text.decode() if isinstance(text, bytes) else text


def entries(text: str) -> list[str]:
    """Mangled names of the kernels in a PTX text."""
    return re.findall(r"\.entry\s+([\w$]+)\s*\(", text)
