"""The yardstick is accurate to 100·eps·cond on random cases, and undefined exactly where it should be.

A slice of `python -m tests.accuracy` (which runs the 10,000): other chunks of the same drawing, without the largest
matrices. Nothing here is random from run to run.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.accuracy.condition import AVAILABLE
from tests.accuracy.draw import chunk
from tests.accuracy.measure import ALLOWED, measure
from tests.cases import COUPLINGS, CaseSpec

CHUNKS = range(1_000_000, 1_000_007)
MAX_WORK = 4_000

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="long double is no wider than float64 here: no condition numbers")


def default_specs() -> list[CaseSpec]:
    """The cases of this file, distinct and in order."""
    return list(dict.fromkeys(spec for number in CHUNKS for spec in chunk(number, max_work=MAX_WORK)))


@pytest.mark.parametrize("number", CHUNKS)
def test_every_field_is_accurate_to_rounding_or_raises_where_it_does_not_exist(number: int) -> None:
    failures = []
    for spec in chunk(number, max_work=MAX_WORK):
        for finding in measure(spec):
            if not finding.passed:
                failures.append(
                    f"{finding.field}: {finding.verdict}, ratio {finding.ratio:.3g} > {ALLOWED:g} {finding.note}\n"
                    f"  python -m tests.accuracy --spec '{json.dumps(spec.to_json())}'"
                )
    assert not failures, "\n".join(failures)


def test_the_slice_reaches_every_part_of_the_regime() -> None:
    specs = default_specs()
    assert len(specs) >= 300
    seen = Counter(value for spec in specs for value in (spec.coupling, spec.path, spec.latent, spec.kind, spec.dtype))
    paths = {"linear", "trigonometric", "encoding_decoding", "one_sided_linear", "one_sided_trigonometric"}
    latents = {"brownian", "quadratic", "sine_squared", "none"}
    kinds = {"isotropic", "diagonal", "full"}
    wanted = {*COUPLINGS, *paths, *latents, *kinds, "variance_preserving", "mirror", "float32", "float64"}
    assert wanted <= set(seen), wanted - set(seen)
    times = [spec.t for spec in specs]
    assert {0.0, 1.0} <= set(times)
    assert min(t for t in times if t) <= 1e-12
    assert 0.0 < 1.0 - max(t for t in times if t < 1.0) <= 1.1e-12
    assert max(spec.radius for spec in specs) >= 39.0
    assert max(spec.log_condition for spec in specs) == 10
    assert min(spec.log_weight for spec in specs) == -12
    assert max(spec.dim for spec in specs) == 64
    assert max(spec.n_components for spec in specs) == 64
