"""The command line as a person and as a CI use it: exit codes, files, streams."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from si_verify import discovery
from si_verify.cli.session import Flags, verify
from si_verify.config import Config

HOSTILE = Path(__file__).with_name("hostile.py")
EULER = [
    "check",
    "ode",
    f"{HOSTILE}:euler",
    "--select",
    "check=ode-order and problem=correlated-2d",
    "--dtype",
    "float64",
]


def cli(*arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "si_verify", *arguments], capture_output=True, text=True, timeout=300, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(HOSTILE.parents[2]), **env},
    )  # fmt: skip


@pytest.mark.parametrize("command", [[], ["run"], ["check"], ["list"], ["report"], ["selftest"], ["doctor"]])
def test_help_loads_nothing_heavy(command):
    code = (
        "import sys; sys.argv = ['si-verify', *sys.argv[1:]]\n"
        "from si_verify.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'torch', 'numpy', 'scipy', 'altair', 'mpmath', 'hypothesis'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_a_right_solver_passes_and_leaves_three_files(tmp_path):
    done = cli(*EULER, "--order", "1", "-o", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PASSED: 1 passed")
    assert "\x1b" not in done.stderr  # no progress when stderr is no terminal
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["junit.xml", "record.jsonl", "report.html"]
    suite = ET.parse(tmp_path / "out" / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")
    kept = {p.get("name"): str(p.get("value")) for p in suite.iter("property")}
    assert kept["si_verify.verdict"] == "passed"
    assert kept["si_verify.reproduce"].startswith("si-verify check ode")
    assert ", expected " in kept["si_verify.measurement"]


def test_a_false_claim_fails_and_its_reproduction_line_fails_again(tmp_path):
    done = cli(*EULER, "--order", "2", "-o", "out", cwd=tmp_path)
    assert done.returncode == 1
    line = next(x for x in done.stdout.splitlines() if "reproduce:" in x).partition("reproduce:")[2]
    words = shlex.split(line)
    assert words[0] == "si-verify"
    again = cli(*words[1:], "-o", "again", "--json", cwd=tmp_path)
    assert again.returncode == 1
    one, two = (json.loads((tmp_path / d / "record.jsonl").read_text().splitlines()[1]) for d in ("out", "again"))
    assert one["measurements"] == two["measurements"]


def test_json_is_all_there_is_on_stdout(tmp_path):
    done = cli(*EULER, "--order", "2", "--json", "-o", "out", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert answer["exit_code"] == done.returncode == 1
    assert answer["counts"] == {"failed": 1}
    assert answer["attention"][0]["reproduce"].startswith("si-verify check ode")


def test_a_worker_leaves_by_itself_and_gives_back_what_it_held(tmp_path):
    mine = ["check", "ode", f"{HOSTILE}:keeps_a_semaphore", "--order", "1", *EULER[3:]]
    done = cli(*mine, "-o", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "leaked" not in done.stderr


def test_a_picture_that_cannot_be_drawn_takes_no_verdict_with_it(tmp_path, monkeypatch, capsys):
    def fails(*args):
        raise OSError("no room for a picture")

    monkeypatch.setattr("reports.still.write_overview", fails)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    select = "check=ode-order and problem=correlated-2d and dtype=float64"
    config = Config(select=select, output=str(tmp_path / "out"), jobs=1, device="cpu")
    euler = discovery.subjects()["torch/euler"]
    assert verify([euler], config, Flags(github_summary=True, json=True)) == 0
    said = capsys.readouterr()
    assert "no picture for the summary: OSError: no room for a picture" in said.err
    assert json.loads(said.out)["counts"] == {"passed": 1}
    assert "PASSED: 1 passed" in (tmp_path / "summary.md").read_text()


def test_the_github_summary_says_what_failed(tmp_path):
    summary = tmp_path / "summary.md"
    cli(*EULER, "--order", "2", "--github-summary", cwd=tmp_path, GITHUB_STEP_SUMMARY=str(summary))
    assert "FAILED: 1 failed" in summary.read_text()
    assert "```mermaid" in summary.read_text()
    assert {p.name for p in tmp_path.rglob("verdicts.*")} == {"verdicts.svg", "verdicts.png"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run", "--profile", "huge"], 2, "profile"),
        (["run", "--select", "a and"], 2, "expected a name"),
        (["run", "--select", "nothing-is-called-this"], 5, "nothing selected"),
        (["run", "--device", "toaster"], 2, "expected cpu, cuda"),
        (["run", "--device", "cuda:99"], 4, "cuda:99"),
        (["check", "ode", "nowhere.py:f"], 2, "no such file"),
        (["check", "ode", "plain-words"], 2, "TARGET"),
        (["check", "weather", "a.py:f"], 2, "weather"),
        (["report", "none.jsonl"], 4, "cannot read"),
        (["no-such-command"], 2, "no-such-command"),
    ],
)
def test_wrong_use_has_its_code_and_its_sentence(tmp_path, arguments, code, says):
    done = cli(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_read_only_output_folder_is_a_clear_error():
    done = cli(*EULER, "--order", "1", "-o", "/proc/nowhere")
    assert done.returncode == 4
    assert "cannot write the record" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_file_sets_defaults_and_its_errors_name_the_key(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.si-verify]\noutput = "elsewhere"\n')
    assert cli(*EULER, "--order", "1", cwd=tmp_path).returncode == 0
    assert (tmp_path / "elsewhere" / "record.jsonl").exists()
    (tmp_path / "pyproject.toml").write_text("[tool.si-verify]\ncolour = 1\n")
    done = cli("run", cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown key 'colour'" in done.stderr


@pytest.mark.parametrize("what", ["problems", "subjects", "checks", "faults", "backends"])
def test_lists_are_never_empty_and_filter_by_selection(what):
    rows = json.loads(cli("list", what, "--json").stdout)
    assert rows
    name = rows[0]["name"]
    chosen = json.loads(cli("list", what, "--json", "--select", name).stdout)
    assert name in [r["name"] for r in chosen]
    assert len(chosen) <= len(rows)


def test_report_draws_the_same_page_again_without_measuring(tmp_path):
    cli(*EULER, "--order", "1", "-o", "out", cwd=tmp_path)
    first = (tmp_path / "out" / "report.html").read_text()
    done = cli("report", "out", "-o", "again.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.html").read_text() == first


def test_doctor_states_its_noise_floor():
    facts = json.loads(cli("doctor", "--json", "--device", "cpu").stdout)
    assert facts["machine"]["cores"] >= 1
    assert facts["noise_floor"]["low"] <= facts["noise_floor"]["ratio"] <= facts["noise_floor"]["high"]
