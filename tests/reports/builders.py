"""Headers, measurements and results as a run would write them."""

from __future__ import annotations

from typing import Any

from si_verify.gate import Verdict, judge, margin
from si_verify.measurement import Measurement
from si_verify.record import Evidence, Header, MeasurementRow, Result

CHECKS = {
    "pointwise": "The field agrees with the closed form at every point, to rounding times its condition.",
    "order": "The global error falls as h^p with the order p that the solver claims.",
    "tolerance": "An adaptive solver gives the accuracy that it was asked for.",
    "terminal-law": "The law at t = 1 agrees with the closed form (moments and a two-sample test).",
}


def header(planned: int, **changes: Any) -> Header:
    """A header as a run on a laptop would write it."""
    return Header(
        **{
            "created": "2026-11-21T11:40:02+00:00",
            "command": "si-verify run --profile quick --device cpu",
            "profile": "quick",
            "seed": 0,
            "device": "cpu",
            "budget": 1e-6,
            "planned": planned,
            "commit": "18fb036a2b41",
            "machine": {
                "platform": "Linux-6.8-x86_64",
                "python": "3.11.9",
                "cpu": "Intel(R) Xeon(R) CPU @ 2.60GHz",
                "cores": 2,
                "memory_gib": 15.6,
                "torch_threads": 1,
            },
            "versions": {
                "torch": "2.13.0",
                "numpy": "2.3.1",
                "torchdiffeq": "0.2.5",
                "torchsde": "0.2.6",
                "si-verify": "0.1.0",
            },
        }
        | changes
    )


def row(**fields: Any) -> MeasurementRow:
    """A measurement, judged as a run judges it."""
    m = Measurement(**fields)
    return MeasurementRow(**vars(m), verdict=judge(m), margin=margin(m))


def result(check: str, subject: str, problem: str, verdict: Verdict, kind: str, **fields: Any) -> Result:
    """A result with the fields that every run fills in."""
    dtype = fields.pop("dtype", "float64")
    return Result(
        **{
            "id": f"{check}/{subject}/{problem}/{dtype}",
            "check": check,
            "claim": CHECKS.get(check, ""),
            "subject": subject,
            "kind": kind,
            "problem": problem,
            "dtype": dtype,
            "device": "cpu",
            "seed": 4611686018427387904,
            "verdict": verdict,
            "seconds": 0.31,
            "tags": (kind, "cpu"),
            "claims": {"order": 2, "adaptive": False},
            "reproduce": f"si-verify run --select 'check={check} and problem={problem} and subject={subject}' "
            f"--profile quick --dtype {dtype} --device cpu --seed 0",
            "evidence": (Evidence(module=subject.split("/")[0], path="/venv/x.py", version="1.0", sha256="ab" * 32),),
        }
        | fields
    )
