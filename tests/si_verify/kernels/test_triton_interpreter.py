"""Without a GPU the Triton tests run in the interpreter, which must be chosen before torch is imported: a child."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
INTERPRETED = ("test_triton_mixture.py", "test_triton_products.py")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the tests run on the GPU themselves")
@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="this is the child")
def test_the_kernels_pass_in_the_interpreter():
    pytest.importorskip("triton")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(str(HERE / name) for name in INTERPRETED),
    ]
    child = subprocess.run(
        command, env={**os.environ, "TRITON_INTERPRET": "1"}, cwd=HERE.parents[2], capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stdout[-4000:]
    assert " passed" in child.stdout
    assert "skipped" not in child.stdout.splitlines()[-1]
