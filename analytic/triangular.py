"""Batched forward substitution in plain array-API operations (the standard has no triangular solve)."""

from __future__ import annotations

from array_api_compat import array_namespace

from analytic.arrays import Array

PANEL = 8  # columns solved one by one; what remains is updated by one matrix product per panel


def forward_substitution(lower: Array, rows: Array) -> Array:
    """L^-1 applied to each row: lower (B, K, D, D), rows (B, K, P, D) -> (B, K, P, D).

    Backward stable row by row: the answer solves (L + dL) y = row with |dL| <= c D eps |L| entrywise.
    No array is written in place, so automatic differentiation passes through.
    """
    xp = array_namespace(rows)
    dim = rows.shape[-1]
    solved = []
    for start in range(0, dim, PANEL):
        width = min(PANEL, dim - start)
        panel = rows[..., :width]
        columns = []
        for i in range(width):
            row = start + i
            column = panel[..., i] / lower[:, :, None, row, row]
            columns.append(column)
            if i + 1 < width:
                panel = panel - column[..., None] * lower[:, :, None, start : start + width, row]
        block = xp.stack(columns, axis=-1)
        solved.append(block)
        if start + width < dim:
            below = lower[:, :, start + width :, start : start + width]
            rows = rows[..., width:] - xp.matmul(block, xp.matrix_transpose(below))
    return solved[0] if len(solved) == 1 else xp.concat(solved, axis=-1)
