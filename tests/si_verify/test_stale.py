"""Machine code that numba kept is gone when a source inlined into it has changed, and only then."""

from __future__ import annotations

import subprocess
import sys

import pytest

from si_verify.kernels.stale import forget_stale

INNER = "from numba import njit\n@njit(forceinline=True)\ndef f(x):\n    return x + {}\n"
OUTER = """
import sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from si_verify.kernels.stale import forget_stale
if {careful}:
    forget_stale(Path({folder!r}))
import outer
print(outer.g(1.0))
"""
KEPT = "from numba import njit\nfrom inner import f\n@njit(cache=True)\ndef g(x):\n    return 10.0 * f(x)\n"


def test_files_go_with_any_source_and_stay_with_all(tmp_path):
    (tmp_path / "a.py").write_text("1")
    kept = tmp_path / "__pycache__" / "a.f-1.py311.nbi"
    assert forget_stale(tmp_path)
    kept.write_text("compiled")
    assert not forget_stale(tmp_path)
    assert kept.exists()
    (tmp_path / "b.py").write_text("2")
    assert forget_stale(tmp_path)
    assert not kept.exists()


def test_an_edited_helper_reaches_the_function_it_is_inlined_into(tmp_path):
    pytest.importorskip("numba")

    def answer(careful: bool) -> str:
        code = OUTER.format(folder=str(tmp_path), careful=careful)
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
        return run.stdout.strip()

    (tmp_path / "outer.py").write_text(KEPT)
    (tmp_path / "inner.py").write_text(INNER.format(1.0))
    assert answer(True) == "20.0"
    (tmp_path / "inner.py").write_text(INNER.format(2.0))
    assert answer(False) == "20.0", "numba has learnt to look at what it inlines: stale.py is no longer needed"
    assert answer(True) == "30.0"
