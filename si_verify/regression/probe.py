"""The workload with which the gate proves itself: a millisecond of the built-in score of a mixture."""

from __future__ import annotations

import torch

from si_verify.bench.mixtures import Points, Shape, T, interpolant
from si_verify.bench.workload import Job, Workload
from si_verify.subjects.fields import torch_eager

_SHAPE = Shape(4, 2, 2_000)


def _load(device: str, dtype: str) -> Job:
    points = Points(_SHAPE, device, dtype, "score")
    score = torch_eager.build(interpolant(_SHAPE), getattr(torch, dtype), torch.device(device))["score"]
    return Job(lambda: score(T, points.x), points.error, _SHAPE.n, "points", renew=points.renew)


WORKLOAD = Workload("torch/fields", "gate-probe", _load, modules=("si_verify.subjects.fields.torch_eager",))
