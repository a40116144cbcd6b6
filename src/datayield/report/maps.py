"""The data map as a figure: a grid of marks, so that any number of texts makes a small picture."""

from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from datayield.report.figures import STYLE, Drawing, drawing

# From rarely to always right: dark to light of one colour-blind-safe scale (cividis), one mark each.
LEVELS = (
    (0.2, "#00224e", "v", "under 20 %"),
    (0.4, "#434e6c", "s", "20 to 40 %"),
    (0.6, "#7d7c78", "D", "40 to 60 %"),
    (0.8, "#b2a26b", "^", "60 to 80 %"),
    (1.01, "#e2c63c", "o", "80 % and more"),
)
SMALLEST, LARGEST = 14.0, 90.0  # areas of marks, points squared


def data_map(m: dict[str, Any]) -> Drawing:
    """Texts by variability and confidence; a mark's area grows with the texts it stands for."""
    most = max(b["texts"] for b in m["bins"])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 4.6), layout="constrained")
        axis = figure.subplots()
        low = 0.0
        for high, colour, marker, label in LEVELS:
            own = [b for b in m["bins"] if low <= b["correctness"] < high]
            low = high
            axis.scatter(
                [b["variability"] for b in own],
                [b["confidence"] for b in own],
                [SMALLEST + (LARGEST - SMALLEST) * (b["texts"] / most) ** 0.5 for b in own],
                color=colour, marker=marker, label=label, linewidths=0,
            )  # fmt: skip
        axis.set_xlim(0, 0.5)
        axis.set_ylim(0, 1)
        axis.set_xlabel("variability: standard deviation of p(given label)")
        axis.set_ylabel("confidence: mean of p(given label)")
        legend = figure.legend(
            frameon=False, loc="outside lower center", ncols=5, fontsize=9, title="given label led"
        )
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_sizes([40])  # type: ignore[attr-defined]
        return drawing(figure)
