"""The accuracy suite goes red for every mutant of the yardstick, on its own default cases."""

from __future__ import annotations

from functools import cache

import pytest

from tests.accuracy.condition import AVAILABLE
from tests.accuracy.measure import Finding, measure
from tests.accuracy.mutants import MUTANTS, Mutant
from tests.accuracy.test_accuracy import default_specs
from tests.cases import CaseSpec

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="long double is no wider than float64 here: no condition numbers")

TRIED = 60
"""Cases looked at for one mutant, smallest first: the suite itself looks at all of them."""


@cache
def _ordered() -> tuple[CaseSpec, ...]:
    return tuple(sorted(default_specs(), key=lambda s: s.n_components * s.dim ** (3 if s.kind == "full" else 1)))


def _caught(mutant: Mutant) -> tuple[CaseSpec, Finding] | None:
    specs = [spec for spec in _ordered() if mutant.reaches(spec)]
    for spec in specs[-TRIED // 2 :: -1] + specs[: TRIED // 2] if len(specs) > TRIED else specs:
        for finding in measure(spec, fields=mutant.fields):
            if not finding.passed:
                return spec, finding
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_suite_turns_down(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.apply(monkeypatch)
    assert _caught(mutant) is not None


def test_the_suite_is_green_again_without_a_mutant() -> None:
    assert all(finding.passed for spec in _ordered()[:10] for finding in measure(spec))
