"""A report as a figure."""

from __future__ import annotations

from typing import Any

from gan_lessons.papers.words import SHOWN
from gan_lessons.plots import FAKE, INK, REAL, figure, png


def report_picture(report: dict[str, Any], published: str | None) -> bytes:
    """One axis a metric: each seed, a perfect generator and, labelled `published`, the paper."""
    names = report["names"]
    rows = [row for row in report["rows"] if row["runs"]["seconds"] or row["published"]]
    drawn = figure(9.3, 1.5 + 0.32 * len(rows))
    axes = drawn.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for ax, name in zip(axes, names, strict=True):
        if name in report["perfect"]:
            perfect = SHOWN[name][2] * report["perfect"][name]
            ax.axvline(perfect, color=REAL, label="perfect generator")
        _draw_metric(ax, name, rows, published)
    axes[0].set_yticks(range(len(rows)), [row["row"] for row in rows])
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    drawn.suptitle(report["title"] + " (quick look)" * report["quick"])
    signs, labels = axes[0].get_legend_handles_labels()
    once = dict(zip(labels, signs, strict=True))
    drawn.legend([*once.values()], [*once], loc="outside lower center", ncols=3)
    return png(drawn)


def _draw_metric(ax: Any, name: str, rows: list[dict[str, Any]], published: str | None) -> None:
    heading, _, factor = SHOWN[name]
    for y, row in enumerate(rows):
        seen = [factor * value for value in row["runs"][name] if value is not None]
        ax.plot(seen, [y] * len(seen), "^", color=FAKE, alpha=0.6, label="ours, a seed each")
        if published and name in row["published"]:
            paper = factor * row["published"][name]
            ax.plot(paper, y, "D", mfc="none", color=INK, label=published)
    if name in ("kl", "evaluations"):
        ax.set_xscale("log")
    ax.set_title(heading)
