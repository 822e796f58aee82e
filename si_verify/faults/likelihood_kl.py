"""Seeded faults in KL estimates, in the Fokker–Planck bounds and in the transport identity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from si_verify.faults.fault import Fault
from si_verify.likelihood.bounds import FieldErrors, quadrature
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor


def _fault(
    name: str, estimate: Any, form: str, checks: tuple[str, ...], story: str, source: str, **extra: Any
) -> Fault:
    subject = Subject(f"fault/likelihood-{name}", "likelihood", lambda: estimate, Claims(extra={"form": form, **extra}))
    # The identity is one quadrature after another: one problem says it, the catalogue would take minutes a fault.
    return Fault(subject, checks, story, source, "gaussian-1d" if checks is _IDENTITY else "")


def _unpaired(log_p: Tensor, log_q: Tensor) -> tuple[float, float]:
    error = math.sqrt(float(log_p.var() + log_q.var()) / len(log_p))
    return float((log_p - log_q).mean()), error


def _absolute(log_p: Tensor, log_q: Tensor) -> tuple[float, float]:
    ratio = (log_p - log_q).abs()
    return float(ratio.mean()), float(ratio.std()) / math.sqrt(len(ratio))


def _bits(log_p: Tensor, log_q: Tensor) -> tuple[float, float]:
    ratio = (log_p - log_q) / math.log(2.0)
    return float(ratio.mean()), float(ratio.std()) / math.sqrt(len(ratio))


def _half(errors: FieldErrors, epsilon: float) -> float:
    return quadrature(lambda t: errors.drift(t, epsilon), errors.span) / (8.0 * epsilon)


def _loose(errors: FieldErrors, epsilon: float) -> float:
    return quadrature(lambda t: errors.drift(t, epsilon), errors.span) / (2.0 * epsilon)


def _without_halves(errors: FieldErrors, epsilon: float) -> float:
    b, s = quadrature(errors.velocity, errors.span), quadrature(errors.score, errors.span)
    return b / (4.0 * epsilon) + epsilon * s / 4.0


def _no_latent(errors: FieldErrors, epsilon: float) -> float:
    v, s = quadrature(errors.interpolant_velocity, errors.span), quadrature(errors.score, errors.span)
    return v / (2.0 * epsilon) + epsilon * s / 2.0


def _swapped(errors: FieldErrors, epsilon: float) -> float:
    b, s = quadrature(errors.velocity, errors.span), quadrature(errors.score, errors.span)
    return epsilon * b / 2.0 + s / (2.0 * epsilon)


def _transport(weighted: bool, half: float, sign: float = 1.0) -> Any:
    def kl(gap: Any, error: Any, nodes: Any, span: tuple[float, float]) -> float:
        def rate(times: Any) -> Any:
            out = []
            for t in times:
                x, w = nodes(float(t))
                both = np.sum(gap(float(t), x) * error(float(t), x), axis=1)
                out.append(w @ both if weighted else both.sum())
            return np.array(out)

        return sign * half * quadrature(rate, span)

    return kl


_KL, _BOUNDS = ("likelihood-kl",), ("likelihood-bounds", "likelihood-bound-tight")
_IDENTITY = ("likelihood-transport-identity",)
FAULTS = (
    _fault("kl-unpaired", _unpaired, "kl", _KL, "The errors of both means are added as if drawn apart.",
           "cmdty/storage#52"),
    _fault("kl-absolute", _absolute, "kl", _KL, "|log p − log q|, to keep every term positive.", "MATH.md section 7"),
    _fault("kl-bits", _bits, "kl", _KL, "Bits where nats are meant.", "MATH.md section 7"),
    _fault("bound-half", _half, "bound", _BOUNDS,
           "1/8ε for 1/4ε: violated, but only by errors that come near the bound.",
           "MATH.md section 6", inequality="drift"),
    _fault("bound-loose", _loose, "bound", _BOUNDS, "1/2ε for 1/4ε: never violated, and not the theorem.",
           "MATH.md section 6", inequality="drift"),
    _fault("bound-halves", _without_halves, "bound", _BOUNDS, "The ½ of the objectives counted twice.",
           "MATH.md section 5",
           inequality="velocity-score"),
    _fault("bound-swapped", _swapped, "bound", _BOUNDS, "ε on the wrong excess.", "MATH.md section 6",
           inequality="velocity-score"),
    _fault("bound-latent", _no_latent, "bound", ("likelihood-bounds",),
           "The corollary for (b, s) used for (v, s): γγ̇ forgotten.", "MATH.md section 6",
           inequality="interpolant-score"),
    _fault("identity-unweighted", _transport(False, 1.0), "identity", _IDENTITY,
           "A sum over nodes without their weights.",
           "MATH.md section 6"),
    _fault("identity-half", _transport(True, 0.5), "identity", _IDENTITY, "The ½ of an objective in the identity.",
           "MATH.md section 6"),
    _fault("identity-sign", _transport(True, 1.0, -1.0), "identity", _IDENTITY, "b − b̂ for b̂ − b.",
           "MATH.md section 6"),
)  # fmt: skip
