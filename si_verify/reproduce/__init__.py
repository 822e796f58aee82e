"""Experiments of the paper, run again by one command."""

from __future__ import annotations

from si_verify.reproduce.learn_2d import learn_2d
from si_verify.reproduce.paper_128d import PaperSettings, paper_128d

__all__ = ["PaperSettings", "learn_2d", "paper_128d"]
