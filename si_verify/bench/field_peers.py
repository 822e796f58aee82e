"""What people use for mixture fields: each form as (shape, device, dtype, quantity) -> f(x), coefficients made before.

The product form of a field is that of attention: logits = Φ(x) · keys + bias by one matrix product, shares by softmax,
and Σ r_k (a_k + B_k x) by a second product. Φ(x) is x with what the covariance needs: |x|² (isotropic), x² (diagonal).
Full covariances are whitened all at once, y = x · (W_1 … W_K) − c, which is again one product.
"""

from __future__ import annotations

import importlib
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from si_verify.bench.mixtures import Shape, T, interpolant
from si_verify.fields.formula import Mixture, inputs_at, mixture_at
from si_verify.subject import Unavailable

Evaluate = Callable[[Tensor], Tensor]
Make = Callable[[Shape, str, str, str], Evaluate]

# (n, K) numbers at a time, on a CPU and on a GPU, where few calls are few launches: few calls, or half of an L2.
_LARGE, _SMALL = (2_000_000, 2**27), (2**16, 2**22)


@dataclass(frozen=True)
class Form:
    """logits = Φ(x) keys + bias; answer = shares · offset + (shares · slope) ∘ x; keys (F, K), slope (K, 1 or D)."""

    keys: Tensor
    bias: Tensor
    offset: Tensor
    slope: Tensor

    def features(self, x: Tensor) -> Tensor:
        more = self.keys.shape[0] - x.shape[1]
        return torch.cat([x, (x**2).sum(1, keepdim=True) if more == 1 else x**2], 1)


def mixture(shape: Shape, device: str, dtype: str) -> Mixture:
    """The law of x_T, rounded to the dtype's inputs."""
    return mixture_at(inputs_at(interpolant(shape), T, getattr(torch, dtype), torch.device(device)))


def form(m: Mixture, quantity: str) -> Form:
    """Isotropic and diagonal mixtures as products."""
    var = m.cov if m.cov.ndim == 2 else m.cov[:, None]
    dim = m.mean.shape[1]
    log_det = torch.log(var).sum(1) * (1 if m.cov.ndim == 2 else dim)
    bias = torch.log(m.weights) - 0.5 * (log_det + (m.mean**2 / var).sum(1) + dim * math.log(2 * math.pi))
    keys = torch.cat([m.mean / var, -0.5 / var], 1).T.contiguous()
    if quantity == "score":
        return Form(keys, bias, m.mean / var, -1 / var)
    slope = (m.cross if m.cov.ndim == 2 else m.cross[:, None]) / var
    return Form(keys, bias, m.mean_dot - slope * m.mean, slope)


def _chunked(part: Evaluate, rows: int) -> Evaluate:
    return lambda x: part(x) if len(x) <= rows else torch.cat([part(c) for c in x.split(rows)])


def _product(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
    m = mixture(shape, device, dtype)
    if shape.kind == "full":
        return _full_product(m, quantity)
    f = form(m, quantity)

    def part(x: Tensor) -> Tensor:
        logits = torch.addmm(f.bias, f.features(x), f.keys)
        if quantity == "log_density":
            return torch.logsumexp(logits, 1)
        shares = torch.softmax(logits, 1)
        return shares @ f.offset + (shares @ f.slope) * x

    return part


def _full_product(m: Mixture, quantity: str) -> Evaluate:
    k, dim = m.mean.shape
    factor = torch.linalg.cholesky(m.cov)
    white = torch.linalg.solve_triangular(factor, torch.eye(dim).to(m.cov).expand_as(m.cov), upper=False)
    bias = torch.log(m.weights) - torch.log(torch.diagonal(factor, dim1=1, dim2=2)).sum(1) - 0.918938533204672742 * dim
    into = white.permute(2, 0, 1).reshape(dim, k * dim).contiguous()
    centre = (white @ m.mean[..., None]).reshape(k * dim)
    back = -white if quantity == "score" else white @ m.cross.mT  # rows: g_k = back_kᵀ y_k, and A g = −A Wᵀ y
    back = back.reshape(k * dim, dim).contiguous()

    def part(x: Tensor) -> Tensor:
        y = torch.addmm(-centre, x, into).reshape(-1, k, dim)
        logits = bias - 0.5 * (y * y).sum(2)
        if quantity == "log_density":
            return torch.logsumexp(logits, 1)
        shares = torch.softmax(logits, 1)
        pulled = (y * shares[..., None]).reshape(-1, k * dim) @ back
        return pulled if quantity == "score" else torch.addmm(pulled, shares, m.mean_dot)

    return part


def _rows(shape: Shape, numbers: tuple[int, int], device: str) -> int:
    return max(1, numbers[device != "cpu"] // (shape.k * (shape.dim if shape.kind == "full" else 1)))


def _all_product(shape: Shape, device: str, dtype: str) -> Callable[[Tensor], dict[str, Tensor]]:
    m = mixture(shape, device, dtype)
    score, velocity = form(m, "score"), form(m, "velocity")
    offset, slope = (torch.cat([getattr(f, part) for f in (score, velocity)], 1) for part in ("offset", "slope"))
    dim = shape.dim

    def part(x: Tensor) -> dict[str, Tensor]:
        logits = torch.addmm(score.bias, score.features(x), score.keys)
        shares = torch.softmax(logits, 1)
        sums, slopes = shares @ offset, shares @ slope
        first, second = slopes.chunk(2, 1)
        return {
            "log_density": torch.logsumexp(logits, 1),
            "score": sums[:, :dim] + first * x,
            "velocity": sums[:, dim:] + second * x,
        }

    return part


def gemm_all(shape: Shape, device: str, dtype: str, quantity: str) -> Callable[[Tensor], dict[str, Tensor]]:
    """Log-density, score and velocity from one product form, isotropic or diagonal."""
    return _all_product(shape, device, dtype)


def compiled_all(shape: Shape, device: str, dtype: str, quantity: str) -> Callable[[Tensor], dict[str, Tensor]]:
    """torch.compile of that, what was compiled before dropped as in ``compiled``."""
    torch.compiler.reset()
    compile_: Callable[[Tensor], dict[str, Tensor]] = torch.compile(_all_product(shape, device, dtype), dynamic=False)
    return compile_


def gemm(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
    """Product form in eager torch, in large chunks."""
    return _chunked(_product(shape, device, dtype, quantity), _rows(shape, _LARGE, device))


def gemm_cached(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
    """Product form in eager torch, in chunks whose logits stay in a core's cache."""
    return _chunked(_product(shape, device, dtype, quantity), _rows(shape, _SMALL, device))


def gemm_columns(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
    """Product form with points last, so that softmax runs along memory: quicker than rows where K is small."""
    f = form(mixture(shape, device, dtype), quantity)
    keys, offset, slope = (a.T.contiguous() for a in (f.keys, f.offset, f.slope))
    bias = f.bias[:, None]

    def part(x: Tensor) -> Tensor:
        columns = x.T.contiguous()
        squares = columns**2
        more = len(f.keys) - shape.dim
        features = torch.cat([columns, squares.sum(0, keepdim=True) if more == 1 else squares])
        shares = torch.softmax(torch.addmm(bias, keys, features), 0)
        return torch.addcmul(offset @ shares, slope @ shares, columns).T.contiguous()

    return _chunked(part, _rows(shape, _SMALL, device))


def compiled(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
    """torch.compile of the product form. What was compiled before is dropped: eight laws would be all of a function."""
    if not device.startswith("cuda") and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise Unavailable("torch.compile needs a C++ compiler")
    torch.compiler.reset()
    return _chunked(torch.compile(_product(shape, device, dtype, quantity), dynamic=True), _rows(shape, _LARGE, device))


def attention(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
    """torch.nn.functional.scaled_dot_product_attention: queries (x, |x|², 1), the bias as one more key coordinate."""
    f = form(mixture(shape, device, dtype), quantity)
    keys = torch.cat([f.keys, f.bias[None]]).T.contiguous()[None]
    values = torch.cat([f.offset, f.slope], 1)[None]
    rows = _rows(shape, _LARGE, device)
    attend = torch.nn.functional.scaled_dot_product_attention

    def part(x: Tensor) -> Tensor:
        query = torch.cat([f.features(x), torch.ones_like(x[:, :1])], 1)
        mean = attend(query[None], keys, values, scale=1.0)[0]
        return mean[:, : shape.dim] + mean[:, shape.dim :] * x

    return _chunked(part, rows)


def jax_jit(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
    """The product form under jax.jit, on the device it finds."""
    try:
        jax = importlib.import_module("jax")
    except ImportError as error:
        raise Unavailable(f"jax is not installed ({error})") from error
    if device != "cpu":
        raise Unavailable("measured on the CPU only")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    f = form(mixture(shape, device, dtype), quantity)
    keys, bias, offset, slope = (jnp.asarray(a.numpy()) for a in (f.keys, f.bias, f.offset, f.slope))

    @jax.jit
    def part(x: Any) -> Any:
        squares = x**2 if keys.shape[0] == 2 * x.shape[1] and shape.kind == "diag" else (x**2).sum(1, keepdims=True)
        shares = jax.nn.softmax(jnp.concatenate([x, squares], 1) @ keys + bias, axis=1)
        return shares @ offset + (shares @ slope) * x

    def run(x: Tensor) -> Tensor:
        return torch.from_dlpack(part(jnp.from_dlpack(x)).block_until_ready())

    return _chunked(run, _rows(shape, _LARGE, device))


def keops(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
    """pykeops LazyTensor.sumsoftmaxweight: generated C++, nothing of size N × K in memory."""
    try:
        lazy = importlib.import_module("pykeops.torch").LazyTensor
    except Exception as error:  # its import looks for a compiler and a driver, and says so in several ways
        raise Unavailable(f"pykeops cannot be used ({type(error).__name__}: {error})") from error
    if not device.startswith("cuda") and not shutil.which("g++"):
        raise Unavailable("pykeops needs g++")
    m = mixture(shape, device, dtype)
    f = form(m, quantity)
    var = m.cov if m.cov.ndim == 2 else m.cov[:, None]
    weight = torch.log(m.weights) - 0.5 * torch.log(var).sum(1) * (1 if m.cov.ndim == 2 else shape.dim)
    centre, precision, weight_k, values = (
        lazy(a.contiguous()[None]) for a in (m.mean, 0.5 / var, weight[:, None], torch.cat([f.offset, f.slope], 1))
    )

    def run(x: Tensor) -> Tensor:
        difference = lazy(x[:, None]) - centre
        logits = weight_k - ((difference**2) * precision).sum(-1)
        mean = logits.sumsoftmaxweight(values, dim=1)
        return mean[:, : shape.dim] + mean[:, shape.dim :] * x

    return run


def sklearn(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
    """sklearn.mixture.GaussianMixture.score_samples, its parameters set by hand."""
    try:
        package = importlib.import_module("sklearn.mixture")
    except ImportError as error:
        raise Unavailable(f"scikit-learn is not installed ({error})") from error
    if device != "cpu":
        raise Unavailable("scikit-learn runs on the CPU")
    m = mixture(shape, device, dtype)
    kinds = {1: "spherical", 2: "diag", 3: "full"}
    model = package.GaussianMixture(shape.k, covariance_type=kinds[m.cov.ndim])
    model.weights_, model.means_ = m.weights.numpy(), m.mean.numpy()
    if m.cov.ndim == 3:
        eye = torch.eye(shape.dim, dtype=m.cov.dtype).expand_as(m.cov)
        white = torch.linalg.solve_triangular(torch.linalg.cholesky(m.cov), eye, upper=False)
        model.precisions_cholesky_ = white.mT.contiguous().numpy()
    else:
        model.precisions_cholesky_ = (1 / torch.sqrt(m.cov)).numpy()
    return lambda x: torch.from_numpy(model.score_samples(x.numpy()))
