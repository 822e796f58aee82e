"""Velocities by the components of one end: the identity, the kernel run on the CPU, and wrong sources rejected."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from si_verify.fields.conditioning import sensitivity
from si_verify.kernels.cuda_compile import entries, ptx
from si_verify.kernels.cuda_ends import FILES, device_ends, instance
from si_verify.kernels.cuda_fields import device_law, evaluate
from si_verify.kernels.cuda_records import scaled
from si_verify.kernels.cuda_sass import assemble
from si_verify.kernels.cuda_source import field_kernel, source
from si_verify.kernels.pack import pack
from si_verify.kernels.pack_one_end import MOST, pack_one_end
from si_verify.subject import Unavailable
from tests.si_verify.kernels.cuda_on_cpu import Library
from tests.si_verify.kernels.laws import UNITS, T, mixture, worst

ALL, VELOCITY = ("log_density", "score", "velocity"), ("velocity",)
# (K0, K1, D, dtype, pairs left out): either end is the one that is kept; most have more components than a tile of 16.
CASES = (
    (3, 8, 3, "float64", 0), (8, 3, 3, "float32", 0), (5, 6, 5, "float32", 2), (8, 8, 16, "float32", 1),
    (6, 4, 8, "float64", 0), (2, 2, 1, "float32", 0), (3, 40, 3, "float64", 3),
)  # fmt: skip
WRONG = {
    "a sum not brought to its new maximum": ("            if (Want & SCORE) s[d] *= shrink;", ""),
    "a share not brought to it": ("        total *= shrink;\n", ""),
    "an end's sum carried into the next": ("            own.start();\n", ""),
    "what was summed not brought to the new top": ("before * a.b[d] + factor * u", "a.b[d] + factor * u"),
    "an end's rate without its share": ("Real u = own.total * end", "Real u = end"),
    "the matrix of the end before": ("ends + (Index)now * At", "ends + (Index)(now > 0 ? now - 1 : now) * At"),
    "an end cut at its tile": (" == now) break;  // it goes on", " == now) { own.start(); break; }  //"),
    "no barrier before the tile is written": ("        __syncthreads();  // all", "        // all"),
    "a rate about the origin": ("(at[d] - centre[d])", "at[d]"),
}  # fmt: skip


def namespace(name: str) -> str:
    return f"wrong{list(WRONG).index(name)}::"


def law(
    k0: int,
    k1: int,
    dim: int,
    left_out: int = 0,
    weights: np.ndarray | None = None,
    schedule: Schedule | None = None,
    spread: float = 3.0,
) -> Interpolant:
    """Full covariances at both ends, independent given their components; pairs in no order."""
    rng = np.random.default_rng([k0, k1, dim])

    def end(k: int) -> tuple[np.ndarray, np.ndarray]:
        root = rng.standard_normal((k, dim, dim)) / np.sqrt(dim)
        cov = rng.uniform(0.3, 1.5, k)[:, None, None] * (np.eye(dim) + root @ root.swapaxes(1, 2))
        return 5.0 + spread * rng.standard_normal((k, dim)), cov

    (mean0, cov0), (mean1, cov1) = end(k0), end(k1)
    pairs = rng.permutation(k0 * k1)[: k0 * k1 - left_out]
    i, j = pairs // k1, pairs % k1
    share = rng.dirichlet(np.ones(len(pairs))) if weights is None else weights[: len(pairs)]
    coupling = Coupling.correlated(
        share / share.sum(), mean0[i], mean1[j], cov0[i], cov1[j], np.zeros_like(cov0[i])
    )  # fmt: skip
    return Interpolant(coupling, schedule or Schedule.linear())


def points(interpolant: Interpolant, n: int, dtype: str, t: float = T) -> torch.Tensor:
    """About the law and far out."""
    rng = np.random.default_rng(n)
    x = np.asarray(interpolant.sample(t, n, 1)) * rng.choice([1.0, 1.0, 20.0], size=(n, 1))
    return torch.as_tensor(x).to(getattr(torch, dtype))


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    names, code = [], [source(FILES)]
    for _, _, dim, dtype, _ in CASES:
        names += [instance(dim, dtype, ALL), instance(dim, dtype, VELOCITY)]
    for name, (old, new) in WRONG.items():
        assert source(FILES).count(old) == 1, name
        code.append(f"namespace {namespace(name)[:-2]} {{\n{source(FILES).replace(old, new)}\n}}")
        names.append(namespace(name) + instance(3, "float64", VELOCITY))
    names.append(field_kernel("full", 3, "float64", ("score",)).name)
    built = Library(names, tmp_path_factory.mktemp("ends"), "\n".join(code))
    with built.installed():
        yield built


def run(
    interpolant: Interpolant, x: torch.Tensor, quantities: tuple[str, ...], t: float = T
) -> dict[str, torch.Tensor]:
    packed = device_law(pack(interpolant, t), x.dtype, x.device, pack_one_end(interpolant, t))
    assert packed.ends is not None
    return evaluate(packed, x, quantities)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n", [1, 33, 150])
def test_ragged_shapes_and_tails_into_poisoned_outputs(library, case, n):
    k0, k1, dim, dtype, left_out = case
    interpolant = law(k0, k1, dim, left_out)
    x = points(interpolant, n, dtype)
    answer = run(interpolant, x, ALL)
    assert worst(interpolant, x, answer) <= UNITS
    assert torch.equal(run(interpolant, x, VELOCITY)["velocity"], answer["velocity"])


@pytest.mark.parametrize("schedule", [Schedule.linear, Schedule.trigonometric, Schedule.encoding_decoding])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_time_at_which_an_end_can_be_kept(library, schedule, dtype):
    """Near an end of time one of the two is given up for its amplification, and the other takes its place."""
    interpolant = law(8, 3, 3, schedule=schedule())
    kept = set()
    for t in (0.02, 0.1, 0.3, 0.45, 0.55, 0.7, 0.9, 0.98):
        end = pack_one_end(interpolant, t)
        if end is None:
            continue
        kept.add(len(end.matrix))
        assert end.amplification <= MOST
        x = points(interpolant, 60, dtype, t)
        exact = interpolant.velocity(t, x.double())
        gap = torch.linalg.vector_norm(run(interpolant, x, VELOCITY, t)["velocity"].double() - exact, dim=1)
        scale = sensitivity(interpolant, t, x.double(), torch.Generator().manual_seed(0))["velocity"]
        assert float((gap / (torch.finfo(x.dtype).eps * scale)).max()) <= UNITS, (t, len(end.matrix))
    assert kept


def test_a_gaussian_end_is_a_single_matrix(library):
    rng = np.random.default_rng(0)
    base = GaussianMixture(np.ones(1), np.zeros((1, 3)), np.eye(3)[None])
    root = rng.standard_normal((20, 3, 3))
    target = GaussianMixture(np.full(20, 0.05), rng.normal(size=(20, 3)), np.eye(3) + root @ root.swapaxes(1, 2))
    interpolant = Interpolant(Coupling.independent(base, target), Schedule.linear())
    end = pack_one_end(interpolant, T)
    assert end is not None
    assert end.matrix.shape == (1, 3, 3)
    x = points(interpolant, 90, "float64")
    assert worst(interpolant, x, run(interpolant, x, ALL)) <= UNITS


def test_extreme_weights(library):
    k0, k1, dim, dtype, left_out = CASES[2]
    interpolant = law(k0, k1, dim, left_out, weights=10.0 ** np.resize([0.0, -12.0, -6.0, -9.0, -3.0], k0 * k1))
    x = points(interpolant, 60, dtype)
    assert worst(interpolant, x, run(interpolant, x, ALL)) <= UNITS


def test_strides_and_nan_stay_with_their_row(library):
    interpolant = law(*CASES[0][:3])
    x = points(interpolant, 40, "float64")
    plain = run(interpolant, x, VELOCITY)["velocity"]
    wide = torch.full((90, 9), float("nan"), dtype=x.dtype)
    view = wide[5:85:2, 2:8:2]
    view.copy_(x)
    for strided in (view, x.T.contiguous().T):
        assert torch.equal(run(interpolant, strided, VELOCITY)["velocity"], plain)
    x[7] = float("nan")
    answer = run(interpolant, x, VELOCITY)["velocity"]
    assert torch.isnan(answer[7]).all()
    assert torch.equal(answer[8:], plain[8:])


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_source_is_rejected(library, wrong):
    interpolant = law(3, 40, 3, 3)
    x = points(interpolant, 150, "float64")
    right = worst(interpolant, x, run(interpolant, x, VELOCITY))
    library.namespace = namespace(wrong)
    try:
        answer = run(interpolant, x, VELOCITY)
    finally:
        library.namespace = ""
    assert right <= UNITS
    assert worst(interpolant, x, answer) > UNITS


def test_laws_without_an_end_to_keep(library):
    cpu = torch.device("cpu")
    assert pack_one_end(mixture(7, 3, "diagonal"), T) is None
    cov = np.repeat(np.array([[[1.0, 0.2], [0.2, 1.0]]]), 9, 0)
    mirror = Coupling.mirror(GaussianMixture(np.full(9, 1 / 9), np.arange(18.0).reshape(9, 2), cov))
    assert pack_one_end(Interpolant(mirror, Schedule.linear()), T) is None
    wide, end = law(3, 4, 17), pack_one_end(law(3, 4, 17), T)
    assert end is not None
    assert device_ends(scaled(pack(wide, T)), end, torch.float32, cpu) is None
    assert device_ends(scaled(pack(wide, T)), end, torch.bfloat16, cpu) is None
    # The score alone has no matrix of an end in it, and stays with the narrow kernel.
    interpolant = law(*CASES[0][:3])
    x = points(interpolant, 9, "float64")
    assert worst(interpolant, x, run(interpolant, x, ("score",))) <= UNITS


@pytest.mark.parametrize("architecture", ["compute_80", "compute_90"])
def test_the_source_compiles_to_ptx_and_does_not_spill(architecture):
    names = list(dict.fromkeys(instance(dim, dtype, VELOCITY) for _, _, dim, dtype, _ in CASES))
    try:
        assert len(entries(ptx(names, architecture, FILES))) == len(names)
        for dtype in ("float32", "float64"):
            assert assemble(instance(16, dtype, VELOCITY), FILES).spilled == 0
    except Unavailable as error:
        pytest.skip(str(error))
