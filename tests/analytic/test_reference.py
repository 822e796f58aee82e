"""The frozen values: what the yardstick is held to, and what the oracle makes again."""

from __future__ import annotations

import copy
from typing import Any

import mpmath
import numpy as np
import pytest

from analytic import Coupling, FieldUndefinedError, GaussianMixture, Interpolant, Schedule
from analytic.oracle import FIELDS, JointMixture, Oracle, Path
from analytic.reference import load
from analytic.reference.freeze import DIGITS, differences
from tests.accuracy.condition import AVAILABLE, coefficients, condition
from tests.accuracy.measure import ALLOWED

DOCUMENT = load()


def interpolant(entry: dict[str, Any]) -> Interpolant:
    c, path = entry["coupling"], entry["path"]
    arrays = [np.asarray(c[n]) for n in ("weights", "mean0", "mean1", "cov00", "cov11", "cov01")]
    if entry["name"].startswith("mirror"):
        coupling = Coupling.mirror(GaussianMixture(arrays[0], arrays[1], arrays[3]))
    else:
        coupling = Coupling.correlated(*arrays)
    make = getattr(Schedule, path["name"])
    plain = path["name"] in ("linear", "trigonometric", "mirror")
    return Interpolant(coupling, make(path["latent"], scale=path["scale"]) if plain else make())


@pytest.mark.skipif(not AVAILABLE, reason="long double is no wider than float64 here: no condition numbers")
@pytest.mark.parametrize("entry", DOCUMENT["cases"], ids=lambda e: e["name"])
def test_the_yardstick_agrees_to_rounding_and_is_undefined_where_the_file_says(entry: dict[str, Any]) -> None:
    code, mixture = interpolant(entry), JointMixture(**entry["coupling"])
    oracle = Oracle(mixture, Path(**entry["path"]))
    for point in entry["points"]:
        t, x = point["t"], np.asarray(point["x"])
        sizes: dict[str, float] = {}
        for field, frozen in point["values"].items():
            if isinstance(frozen, dict):
                with pytest.raises(FieldUndefinedError):
                    getattr(code, field)(t, x[None])
                continue
            if not sizes:
                a, there = oracle.at(t, point["x"])
                with a.session():
                    sizes = condition(mixture, x, coefficients(there), entry["name"].startswith("mirror"))
            got = np.reshape(getattr(code, field)(t, x[None]), (-1,))
            with mpmath.workdps(DIGITS):
                gaps = [mpmath.mpf(float(g)) - mpmath.mpf(f) for g, f in zip(got, frozen, strict=True)]
                error = float(mpmath.norm(gaps))
            assert error <= ALLOWED * np.finfo(np.float64).eps * sizes[field], (field, t, point["x"], got, frozen)


def test_the_oracle_makes_the_same_digits_again() -> None:
    """Every eleventh point; `python -m analytic.reference verify` makes all."""
    assert list(differences(DOCUMENT, stride=11)) == []


def test_one_wrong_digit_is_found() -> None:
    broken = copy.deepcopy(DOCUMENT)
    values = broken["cases"][3]["points"][4]["values"]["velocity"]
    digit = values[0].replace(".", "")[26]
    values[0] = values[0][:27] + str((int(digit) + 5) % 10) + values[0][28:]
    count = sum(len(case["points"]) for case in broken["cases"][:3]) + 5
    assert any("velocity" in line for line in differences(broken, stride=10_000, offset=10_000 - count))


def test_the_file_says_where_it_comes_from_and_covers_every_coupling_path_and_field() -> None:
    provenance = DOCUMENT["provenance"]
    assert {"command", "method", "mpmath", "working_digits", "digits", "date"} <= set(provenance)
    points = [(case, point) for case in DOCUMENT["cases"] for point in case["points"]]
    assert len(points) >= 200
    assert {case["name"].split(",")[0] for case, _ in points} == {
        "independent", "correlated", "mirror", "one-sided", "data-set", "stiff", "entropic",
    }  # fmt: skip
    assert {case["path"]["name"] for case, _ in points} >= {
        "linear", "trigonometric", "encoding_decoding", "mirror", "variance_preserving",
    }  # fmt: skip
    for _, point in points:
        assert set(point["values"]) == set(FIELDS)


def test_the_entropic_case_is_the_schroedinger_coupling() -> None:
    """4 h = √(4·1·4 + 3²) − 3 in the formula of MATH section 7: C01 = ½ (√(16 + 9) − 3) = 1."""
    laws = GaussianMixture([1.0], [[0.0]], [1.0]), GaussianMixture([1.0], [[1.0]], [4.0])
    coupling = Coupling.entropic(*laws, float(np.sqrt(3.0)))
    assert coupling.cov01 == pytest.approx(np.array([1.0]), rel=4 * np.finfo(np.float64).eps)
