"""``gate``, ``baseline accept`` and ``compare`` as CI uses them; a revision built and raced for real."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from si_verify.cli.app import run_app
from si_verify.cli.gate import _COLOURS, Output, gate_against, markdown
from si_verify.config import load_config, main
from si_verify.gate import Verdict
from si_verify.regression.change import Change, Kind
from si_verify.regression.sides import SideError, SideProcess, Tree, built
from tests.si_verify.test_regression import record, result, row


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def cli(monkeypatch, capsys) -> Callable[..., Done]:
    """The command line in this process: the same entry point and exit codes, without a second import of torch."""

    def call(*words: str, cwd: Path | None = None, **env: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["si-verify", *words])
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        if cwd is not None:
            monkeypatch.chdir(cwd)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_app()
        captured = capsys.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    return call


def saved(path: Path, *results, **extra) -> str:
    return str(record(*results, **extra).to_json(path))


GOOD = result("a", Verdict.PASSED, row(1e-3))
WORSE = result("a", Verdict.PASSED, row(1.03e-3))


@pytest.mark.parametrize(
    ("head", "extra", "code", "says"),
    [
        (GOOD, {}, 0, "GREEN"),
        (WORSE, {}, 1, "1 worse"),
        (result("a", Verdict.FAILED, reason="order 1, expected 4"), {}, 1, "order 1, expected 4"),
        (GOOD, {"seed": 1}, 4, "seed: 0 in the baseline, 1 here"),
        (GOOD, {"planned": 2}, 4, "the run did not finish"),
    ],
)
def test_the_verdict_is_the_exit_code_and_the_reason_is_said(cli, tmp_path, head, extra, code, says):
    base, now = saved(tmp_path / "b.jsonl", GOOD), saved(tmp_path / "h.jsonl", head, **extra)
    done = cli("gate", now, "--baseline", base)
    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_an_accepted_baseline_is_found_and_json_is_all_there_is(cli, tmp_path):
    base, now = saved(tmp_path / "b.jsonl", GOOD), saved(tmp_path / "h.jsonl", WORSE)
    kept = str(tmp_path / "kept")
    assert cli("gate", now, "--baselines", kept).returncode == 4
    assert cli("baseline", "accept", base, "--why", "first", "--who", "Ada", "--baselines", kept).returncode == 0
    summary = tmp_path / "summary.md"
    done = cli("gate", now, "--baselines", kept, "--json", "--github-summary", GITHUB_STEP_SUMMARY=str(summary))
    found = json.loads(done.stdout)
    assert (done.returncode, found["exit_code"], found["counts"]) == (1, 1, {"worse": 1})
    assert "again a" in found["changes"][0]["reproduce"]
    assert "RED" in summary.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "either a RECORD or --against"),
        (["x.jsonl", "--against", "HEAD"], 2, "either a RECORD or --against"),
        (["x.jsonl"], 4, "cannot read the record"),
        (["--against", "no-such-revision", "--device", "cpu"], 4, "no-such-revision"),
        (["--against", "--output=/etc/x", "--device", "cpu"], 4, "--output=/etc/x"),
    ],
)
def test_wrong_use_has_its_sentence_and_no_traceback(cli, arguments, code, says, tmp_path):
    done = cli("gate", *arguments, cwd=Path(__file__).parents[2])
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_in_a_summary_is_never_markup():
    assert set(_COLOURS) == set(Kind)
    text = markdown([Change(Kind.FAILED, "<img src=x onerror=alert(1)>|`x`\n# h", why="[a](javascript:b)")], "</code>")
    assert "<img" not in text
    assert "\n# h" not in text
    assert text.count("</code>") == text.count("<code>")


def test_a_gate_in_a_workflow_leaves_a_picture_of_head_for_the_artifact(tmp_path, monkeypatch, capsys):
    made = record(GOOD, result("b"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setattr(
        "si_verify.cli.gate.built", lambda *_: nullcontext((Tree("base", tmp_path), Tree("head", tmp_path)))
    )
    monkeypatch.setattr("si_verify.cli.gate._measured", lambda *_: made)
    monkeypatch.setattr("si_verify.cli.gate._tasks", lambda *_: [])
    config = load_config(tmp_path, {"output": str(tmp_path / "out"), "device": "cpu"})
    assert gate_against("HEAD", config, Output(github_summary=True), [], True, True) == 0
    assert {p.name for p in (tmp_path / "out" / "head").iterdir()} == {"verdicts.svg", "verdicts.png"}
    assert "```mermaid" in (tmp_path / "summary.md").read_text()


def test_compare_makes_one_page_and_says_where_records_differ(cli, tmp_path):
    one = saved(tmp_path / "1.jsonl", GOOD, result("b"))
    two = saved(tmp_path / "2.jsonl", result("a", Verdict.FAILED), seed=1)
    done = cli("compare", one, two, "--output", str(tmp_path / "out"), "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert {row["id"]: row["verdicts"] for row in found["rows"]} == {"a": ["passed", "failed"], "b": ["passed", ""]}
    assert "seed: 0 in the baseline, 1 here" in found["records"][1]["differs from the first in"]
    assert Path(found["page"]).read_text().startswith("<!doctype html>")
    assert "2 of 2 cases differ" in cli("compare", one, two, "--output", str(tmp_path / "out")).stdout


WORKLOAD = """
from si_verify.bench.workload import Job, Workload
import gated

WORKLOAD = Workload("gated", "sum", lambda device, dtype: Job(gated.work, lambda a: abs(a - gated.RIGHT), 1, "sums"))
"""
LIBRARY = """
RIGHT = {right}

def work():
    total = 0
    for i in range({n}):
        total += i
    return sum(range(20_000))
"""


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A package in a repository of its own, whose ``work`` counts to 20,000."""
    folder = tmp_path / "library"
    folder.mkdir()
    build = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    (folder / "pyproject.toml").write_text(build + '[project]\nname = "gated"\nversion = "1"\n')
    (folder / "gated").mkdir()
    (folder / "gated" / "__init__.py").write_text(LIBRARY.format(n=20_000, right="sum(range(20_000))"))
    (tmp_path / "own.py").write_text(WORKLOAD)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "base")
    return folder


def gate(cli: Callable[..., Done], library: Path) -> tuple[int, dict]:
    own = f"{library.parent / 'own.py'}:WORKLOAD"
    words = ["--against", "HEAD", "--workload", own, "--no-accuracy", "--no-build-isolation", "--json"]
    done = cli("gate", *words, "--device", "cpu", cwd=library)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def _hatchling() -> bool:
    return subprocess.run([sys.executable, "-c", "import hatchling"], capture_output=True).returncode == 0


@pytest.mark.skipif(not _hatchling(), reason="hatchling is not installed: no build without the network")
def test_a_change_of_the_working_tree_is_raced_against_the_revision(cli, library):
    (library / "gated" / "__init__.py").write_text(LIBRARY.format(n=30_000, right="sum(range(20_000))"))
    for _ in range(3):  # a machine busy with other tests may leave it open, and may never let it pass
        code, found = gate(cli, library)
        if found["counts"] != {"ambiguous": 1}:
            break
    assert (code, found["counts"]) == (1, {"slower": 1}), found
    assert found["changes"][0]["ratio"] > 1.1
    (line,) = (library / "si-verify-out" / "changes.jsonl").read_text().splitlines()
    assert json.loads(line)["kind"] == "slower"
    (library / "gated" / "__init__.py").write_text(LIBRARY.format(n=20_000, right="0"))
    code, found = gate(cli, library)
    assert (code, found["counts"]) == (1, {"failed": 1}), found
    listed = subprocess.run(["git", "worktree", "list"], cwd=library, capture_output=True, text=True).stdout
    assert len(listed.splitlines()) == 1


@pytest.mark.skipif(not _hatchling(), reason="hatchling is not installed: no build without the network")
def test_a_revision_that_does_not_build_cannot_be_measured(library):
    (library / "pyproject.toml").write_text("[project")
    git(library, "commit", "-qam", "broken")
    with pytest.raises(SideError, match="exit"), built("HEAD", library, isolated=False):
        pass


def test_a_side_that_dies_or_prints_does_not_confuse_the_race(tmp_path):
    (tmp_path / "own.py").write_text(
        "import os\nfrom si_verify.bench.workload import Job, Workload\nprint('noise')\n"
        "WORKLOAD = Workload('x', 'y', lambda device, dtype: Job(lambda: os._exit(7), lambda a: 0.0, 1, 'x'))\n"
    )
    with SideProcess(Tree("here")) as side:
        request = {"task": "", "dtype": "float64", "device": "cpu"}
        assert side.ask("prepare", name=f"{tmp_path}/own.py:WORKLOAD", **request) == {"ready": True}
        assert "KeyError" in side.ask("nonsense")["failed"] or "AttributeError" in side.ask("nonsense")["failed"]
        with pytest.raises(SideError, match="status 7"):
            side.ask("error", seed=0)


ROOT = Path(__file__).parents[2]


def test_the_action_uses_only_options_that_exist_and_no_input_reaches_a_shell_unquoted(cli):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]
    assert not any("${{" in script for script in scripts)
    gate_help = cli("gate", "--help").stdout
    options = {word for script in scripts[2:] for word in re.findall(r"--[a-z-]+", script)}
    assert options >= {"--against", "--no-accuracy", "--strict"}
    assert {o for o in options if o not in gate_help} == set()
    used = set(re.findall(r"inputs\.([a-z]+)", (ROOT / "action.yml").read_text()))
    assert used == set(action["inputs"])


@pytest.mark.parametrize(
    ("table", "code", "says"),
    [("profile = 'quick'", 0, ""), ("profle = 'quick'", 2, "profle"), ("select = 'a and'", 2, "'select'"),
     ("seed = -1", 2, "'seed'")],
)  # fmt: skip
def test_the_hook_names_the_key_that_is_wrong(tmp_path, capsys, table, code, says):
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text()
    assert "python -m si_verify.config" in hooks
    file = tmp_path / "pyproject.toml"
    file.write_text(f"[tool.si-verify]\n{table}\n")
    assert main([str(file)]) == code
    said = capsys.readouterr().err
    assert says in said
    assert not said or str(tmp_path) in said
