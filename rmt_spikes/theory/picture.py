"""A small figure of a spectrum, in SVG, for the HTML representation of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

WIDTH, HEIGHT, FOOT = 420.0, 120.0, 18.0
"""Pixels of the figure, and of the labels below its axis: it fits beside the losses in a notebook."""

POINTS = 60
"""Points of the density on one interval: a line of the figure has fewer pixels a point than can be seen."""


def picture(title: str, bulk: Any, spikes: Sequence[float]) -> str:
    """HTML of a title and a spectrum, with the bulk as a line and spikes as bars."""
    from html import escape

    edges = [(float(low), float(high)) for low, high in bulk.edges]
    right = 1.05 * max([edges[-1][1], *spikes])
    lines = []
    for low, high in edges:
        angle = np.pi * (np.arange(POINTS) + 0.5) / POINTS
        x = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(angle)
        lines.append((x, np.array([float(bulk.density(value)) for value in x])))
    top = max(float(density.max()) for _, density in lines)
    floor = HEIGHT - FOOT

    def at(x: float) -> str:
        return f"{WIDTH * x / right:.1f}"

    shapes = [f'<path d="M0 {floor}H{WIDTH}" stroke="currentColor" fill="none"/>']
    for x, density in lines:
        heights = floor - 0.95 * floor * density / top
        points = " ".join(f"{at(a)},{b:.1f}" for a, b in zip(x, heights, strict=True))
        shapes.append(f'<polyline points="{points}" stroke="#0072b2" fill="none" stroke-width="1.5"/>')
    for value in spikes:
        shapes.append(f'<path d="M{at(value)} {floor}V{0.4 * floor:.1f}" stroke="#d55e00" stroke-width="2"/>')
    for value in (edges[-1][1], *spikes):
        shapes.append(
            f'<text x="{at(value)}" y="{HEIGHT - 4}" font-size="10" text-anchor="middle" '
            f'fill="currentColor">{value:.3g}</text>'
        )
    size = f'width="{WIDTH:.0f}" height="{HEIGHT:.0f}"'
    return (
        f"<div><div>{escape(title)} Singular values of F / sqrt(n_ridge):</div>"
        f'<svg {size} role="img" aria-label="density of the bulk, and spikes">{"".join(shapes)}</svg></div>'
    )
