"""Shares of components and rows over two gloo processes give the field of one process."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
import torch

from si_verify.kernels.pack import pack
from si_verify.sharding.collective import gather, over_components, over_rows, slice_of
from si_verify.sharding.posterior import empty, fields, merge, partial, share
from si_verify.sharding.processes import run
from tests.si_verify.kernels.laws import UNITS, T, cloud, mixture, worst

CPU = torch.device("cpu")
KINDS = ("isotropic", "diagonal", "full")


def points(interpolant, n: int, dtype: torch.dtype) -> torch.Tensor:
    """Typical ones, and far ones: there a share's densities are e^−1000 of another's."""
    x = cloud(interpolant, n, dtype)
    return torch.cat([x, 40 * x[:3]])


def sharded(k: int, dim: int, kind: str, n: int, dtype: torch.dtype) -> tuple:
    """In every process: the whole from shares of components, and from shares of rows."""
    interpolant = mixture(k, dim, kind)
    law, x = pack(interpolant, T).to(dtype, CPU), points(interpolant, n, dtype)
    return tuple(over_components(law, x)), tuple(gather(over_rows(law, x), len(x)))


def broken() -> None:
    raise ArithmeticError("on purpose")


def named(answer) -> dict[str, torch.Tensor]:
    return dict(zip(("log_density", "score", "velocity"), answer, strict=True))


@pytest.mark.parametrize(("kind", "dtype"), [("diagonal", torch.float32), ("full", torch.float64)])
def test_two_processes_give_the_field_of_one(kind, dtype):
    k, dim, n = 7, 3, 10
    first, second = run(2, sharded, k, dim, kind, n, dtype)
    interpolant = mixture(k, dim, kind)
    x = points(interpolant, n, dtype)
    for a, b in zip(first, second, strict=True):
        assert all(torch.equal(u, v) for u, v in zip(a, b, strict=True))
        assert worst(interpolant, x, named(a)) <= UNITS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cuts", [(0, 70), (0, 1, 70), (0, 33, 33, 70), tuple(range(0, 71, 7))])
def test_any_cut_of_the_components_merges_to_the_whole(kind, cuts):
    interpolant = mixture(70, 3, kind)
    x = points(interpolant, 9, torch.float64)
    law = pack(interpolant, T).to(x.dtype, CPU)
    parts = [partial(share(law, slice(a, b)), x) for a, b in pairwise(cuts)]
    assert worst(interpolant, x, named(fields(merge(parts)))) <= UNITS
    assert worst(interpolant, x, named(fields(merge(reversed(parts))))) <= UNITS


def test_an_empty_share_changes_nothing_and_two_make_nothing():
    interpolant = mixture(4, 2)
    x = points(interpolant, 5, torch.float64)
    law = pack(interpolant, T).to(x.dtype, CPU)
    own = partial(law, x)
    for merged in (merge([empty(x), own]), merge([own, empty(x)])):
        assert all(torch.equal(a, b) for a, b in zip(merged, own, strict=True))
    nothing = merge([empty(x), empty(x)])
    assert torch.isneginf(nothing.top).all()
    assert not nothing.total.any()
    assert not nothing.pull.any()


def test_many_merges_lose_no_digits_in_the_tails():
    # 40 shares of one component each, all far away: weights from differences of log-densities would fail here.
    interpolant = mixture(40, 3, "diagonal")
    x = 60 * cloud(interpolant, 5, torch.float32)
    law = pack(interpolant, T).to(x.dtype, CPU)
    whole = merge(partial(share(law, slice(k, k + 1)), x) for k in range(40))
    assert worst(interpolant, x, named(fields(whole))) <= UNITS


def test_slices_cover_everything_once():
    for total in (0, 1, 7, 16):
        for world in (1, 2, 3, 5):
            pieces = [slice_of(total, rank, world) for rank in range(world)]
            assert [i for s in pieces for i in range(s.start, s.stop)] == list(range(total))
            assert max(s.stop - s.start for s in pieces) - min(s.stop - s.start for s in pieces) <= 1
    with pytest.raises(ValueError, match="rank"):
        slice_of(4, 2, 2)


def test_a_process_that_fails_is_reported_and_none_is_left():
    with pytest.raises(RuntimeError, match="on purpose"):
        run(2, broken)


def test_the_parent_keeps_its_environment():
    assert "GLOO_SOCKET_IFNAME" not in os.environ
