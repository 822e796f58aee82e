"""The compiled dense form: a recorded skip without a compiler, the closed form with one."""

from __future__ import annotations

import shutil

import pytest
import torch

from si_verify.subject import Unavailable
from si_verify.subjects.fields import torch_compile_fields
from tests.si_verify.kernels.laws import UNITS, T, cloud, mixture, worst


def test_without_a_compiler_it_is_a_skip(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(Unavailable, match="compiler"):
        torch_compile_fields.SUBJECT.load()


def test_the_compiled_score_is_the_closed_form():
    try:
        build = torch_compile_fields.SUBJECT.load()
    except Unavailable as error:
        pytest.skip(str(error))
    interpolant = mixture(5, 3)
    fields = build(interpolant, torch.float32, torch.device("cpu"))
    for n in (1, 9):
        x = cloud(interpolant, n, torch.float32)
        assert worst(interpolant, x, {"score": fields["score"](T, x)}) <= UNITS
