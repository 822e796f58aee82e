"""Hypothesis strategies for interpolants: coupling, schedule, storage, sizes, conditioning, t and x.

A strategy draws a `CaseSpec`, a few numbers and names; `tests.cases.build` makes the arrays from it. So a failing
example is one line of JSON, and a case at K = D = 64 costs Hypothesis no more choices than one at K = D = 1.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.cases import COUPLINGS, CaseSpec

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # log-uniform, near enough
COMPONENTS = SIZES[::-1]
LATENTS = ("brownian", "quadratic", "sine_squared", "none")
PATHS = {
    "one_sided": ("one_sided_linear", "one_sided_trigonometric", "variance_preserving"),
    "one_sided_dataset": ("one_sided_linear", "one_sided_trigonometric", "variance_preserving"),
    "mirror": ("mirror", "linear"),
    "entropic": ("linear",),
}
TWO_SIDED = ("linear", "trigonometric", "encoding_decoding")

ends = st.sampled_from(range(49)).map(lambda n: 10.0 ** (-n / 4))  # 1 down to 1e-12


def times() -> st.SearchStrategy[float]:
    """t in [0, 1]: interior, 1e-12 from either end, the ends themselves, and around 1/2."""
    return st.one_of(
        st.floats(min_value=0.01, max_value=0.99),
        ends.map(lambda gap: 0.5 * gap),
        ends.map(lambda gap: 1.0 - 0.5 * gap),
        st.sampled_from([0.0, 1.0, 0.5, 1e-12, 1.0 - 1e-12, 0.5 - 1e-12, 0.5 + 1e-12]),
    )


def storages() -> st.SearchStrategy[str]:
    """The three storage forms of a covariance."""
    return st.sampled_from(["isotropic", "diagonal", "full"])


@st.composite
def specs(draw: st.DrawFn, max_work: int | None = None, dtype: str | None = None) -> CaseSpec:
    """A case in the regime of the accuracy claim: K, D to 64, condition to 1e10, 40 σ out, weights to 1e-12.

    No two draws use the same strategy: Hypothesis, which likes to make equal what comes from one strategy, would
    else fill a run with near copies.

    max_work bounds K·D³ (full storage) or 16·K·D for every case, where a test must stay short.
    """
    coupling = draw(st.sampled_from(COUPLINGS))
    path = draw(st.sampled_from(PATHS.get(coupling, TWO_SIDED)))
    one_sided = path in PATHS["one_sided"]
    fixed = one_sided or path == "encoding_decoding"
    latent = "none" if fixed else "brownian" if coupling == "entropic" else draw(st.sampled_from(LATENTS))
    kind = draw(storages())
    dim, n_components = draw(st.sampled_from(SIZES)), draw(st.sampled_from(COMPONENTS))
    # Elimination at 500 bits takes some 1e-6 s · K·D³: one case in twenty may be as large as the claim says.
    limits = [2_000] * 10 + [10_000] * 7 + [100_000] * 2 + [10**8]
    limit = min(max_work or 10**8, limits[draw(st.sampled_from(range(len(limits))))])
    while n_components * (dim**3 if kind == "full" else 16 * dim) > limit:
        dim, n_components = max(1, 2 * dim // 3), max(1, 2 * n_components // 3)
    return CaseSpec(
        coupling=coupling,
        path=path,
        latent=latent,
        latent_scale=1.0 if fixed or latent == "none" else draw(st.sampled_from([1.0, 0.25, 2.0, 1e-3, 30.0])),
        kind=kind,
        dim=dim,
        n_components=1 if coupling == "entropic" else n_components,
        log_condition=draw(st.sampled_from(range(11))),
        log_scale=draw(st.sampled_from(range(-3, 4))),
        log_weight=-draw(st.sampled_from(range(13))),
        log_separation=draw(st.sampled_from(range(-2, 3))),
        t=draw(times()),
        radius=draw(st.sampled_from([n / 4 for n in range(161)])),
        seed=draw(st.integers(min_value=0, max_value=2**32 - 1)),
        dtype=dtype or draw(st.sampled_from(["float64", "float64", "float64", "float32"])),
    )
