"""``si-verify reproduce``: an experiment that takes minutes, with progress on stderr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from si_verify.cli.session import write_files
from si_verify.config import Config
from si_verify.device import resolve_device
from si_verify.gate import exit_code


def reproduce(experiment: str, config: Config, full: bool) -> int:
    """Run ``paper-128d`` or ``learn-2d`` into the output folder; returns the exit code."""
    from si_verify.reproduce import PaperSettings, learn_2d, paper_128d

    console = Console(stderr=True)

    def watch(quantity: str, progress: Any) -> None:
        if console.is_terminal:
            console.print(f"{quantity}: {progress}", markup=False)

    device = resolve_device(config.device)
    folder = Path(config.output)
    if experiment == "learn-2d":
        record = learn_2d(folder, device=device, progress=watch)
    else:
        settings = PaperSettings.full() if full else PaperSettings.short()
        record = paper_128d(folder, settings, device=device, seed=config.seed, progress=watch)
    files = write_files(record, folder)
    for result in record.results:
        print(f"{result.verdict.value} {result.subject} {result.reason}")
    print(f"\nreport: {files['report']}\nrecord: {folder / 'record.jsonl'}")
    return exit_code([r.verdict for r in record.results], config.strict)
