"""What the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
LINKS = re.findall(r"\]\(((?!http)[^)#]+)\)", README)
HEUN = next(block for block in BLOCKS if "def heun" in block)
YARDSTICK = next(block for block in BLOCKS if "GaussianMixture" in block)
BROKEN = HEUN.replace("velocity(s, x +", "velocity(t, x +")  # the second stage at the time of the first


def _run(code: str, folder: Path) -> str:
    (folder / "heun.py").write_text(code)
    done = subprocess.run([sys.executable, "heun.py"], cwd=folder, capture_output=True, text=True, timeout=600,
                          env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readmes_heun_passes_and_draws_its_report(tmp_path):
    assert _run(HEUN, tmp_path).startswith("True []")
    assert "</html>" in (tmp_path / "heun.html").read_text()[-200:]


def test_a_broken_heun_is_rejected_for_its_order(tmp_path):
    assert BROKEN != HEUN
    said = _run(BROKEN, tmp_path)
    assert said.startswith("False")
    assert "order" in said


def test_the_yardstick_example_prints_finite_fields(tmp_path):
    said = _run(YARDSTICK, tmp_path)
    assert "nan" not in said
    assert len(re.findall(r"-?\d+\.\d+", said)) == 25


@pytest.mark.parametrize(
    "path", re.findall(r"\]\(((?!http)[^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
)
def test_every_link_of_the_readme_leads_somewhere(path):
    assert (ROOT / path).exists(), path
