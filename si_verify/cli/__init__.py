"""The command line. Heavy imports happen inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations


def main() -> None:
    """Entry point of ``si-verify`` and ``python -m si_verify``."""
    from si_verify.cli.app import run_app

    run_app()
