"""The loops that a GPU's ceilings are measured with: that they compute what is counted, and little else."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from si_verify.bench import ceilings as bench_ceilings
from si_verify.bench.ceilings import CHAINS
from si_verify.kernels.cuda_source import source
from si_verify.subject import Unavailable
from tests.si_verify.kernels.cuda_on_cpu import Library

FILES = ("cuda_ceilings.cu",)
THREADS, ROUNDS = 64, 5


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    names = [f"{loop}<{real}>" for loop in ("multiply_adds", "powers") for real in ("float", "double")]
    return Library(names, tmp_path_factory.mktemp("ceilings"), code=source(FILES))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_chain_of_every_thread_goes_through_all_rounds(library, dtype):
    real = {torch.float32: "float", torch.float64: "double"}[dtype]
    threads, chains = np.arange(THREADS)[:, None], np.arange(CHAINS)[None, :]
    sums, powers = chains + 1e-3 * threads, (threads + chains) * 1e-3
    for _ in range(ROUNDS):
        sums, powers = sums * 0.999 + 1e-3 * threads, 2.0**-powers
    for loop, wanted in (("multiply_adds", sums), ("powers", powers)):
        found = torch.empty(2 * THREADS, dtype=dtype)
        library(f"{loop}<{real}>", 2, THREADS, found, np.int32(ROUNDS))
        assert torch.allclose(found.double(), torch.as_tensor(np.tile(wanted.sum(1), 2)), rtol=1e-5)


@pytest.mark.parametrize(("loop", "mark"), [("multiply_adds", "FFMA"), ("powers", "MUFU.EX2")])
def test_an_inner_loop_is_what_is_counted_and_at_most_a_tenth_else(loop, mark):
    from si_verify.kernels.cuda_sass import assemble, innermost

    try:
        kernel = assemble(f"{loop}<float>", FILES)
    except Unavailable as reason:
        pytest.skip(str(reason))
    (inner,) = sorted(innermost(kernel.body, mark), key=lambda one: one.last - one.first)[-1:]
    codes = [i.code for i in kernel.body[inner.first : inner.last + 1] if i.code != "NOP"]
    counted = sum(code.startswith(mark) for code in codes)
    assert counted % CHAINS == 0
    assert len(codes) <= 1.1 * counted
    assert kernel.spilled == 0


def test_ceilings_count_what_the_loops_do(library, monkeypatch):
    """Half a second a run, whatever runs: the rates are then the counts, doubled."""
    calls = []

    def launch(name, blocks, threads, device, answer, rounds, files):
        calls.append((name, blocks, threads, int(rounds)))

    module = SimpleNamespace(launch=launch)
    monkeypatch.setitem(sys.modules, "si_verify.kernels.cuda_launch", module)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(multi_processor_count=3))

    def best(run):
        run()
        return 0.5

    flops, exps = bench_ceilings._on_device("cpu", "float32", best)
    (name, blocks, threads, rounds), other = calls
    assert (name, other[0], blocks) == ("multiply_adds<float>", "powers<float>", 24)
    assert exps == pytest.approx(blocks * threads * rounds * CHAINS / 0.5)
    assert flops == pytest.approx(2 * exps)
