"""A report as a table of text or Markdown: ours with its spread, beside the paper's."""

from __future__ import annotations

from typing import Any

SHOWN = {  # metric: heading, format, factor
    "modes": ("modes", ".4g", 1),
    "high_quality": ("high quality %", ".1f", 100),
    "kl": ("KL", ".4f", 1),
    "std_ratio": ("std/sigma", ".2f", 1),
    "evaluations": ("evaluations", ",.0f", 1),
}
EXTRA = ["runs", "steps", "cost", "seconds", "published"]  # the columns after the metrics


def in_words(report: dict[str, Any]) -> str:
    """The report as a table of text."""
    lines = _lines(report)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    head, *notes = _notes(report)
    return "\n".join([head, *text, *notes])


def in_markdown(report: dict[str, Any]) -> str:
    """The report as a table in Markdown, for notebooks."""
    head, *lines = _lines(report)
    rows = [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)]
    first, *notes = _notes(report)
    return "\n".join([first, "", *rows, "", *(f"{note}  " for note in notes)])


def cell(name: str, value: float | None, spread: float | None = None) -> str:
    """A number as the tables show it: `24.8 ± 0.45`."""
    _, form, factor = SHOWN[name]
    spread_form = ".3g" if form == ".4g" else form
    pairs = ((value, form), (spread, spread_form))
    return " ± ".join(f"{factor * x:{how}}" for x, how in pairs if x is not None) or "-"


def _lines(report: dict[str, Any]) -> list[list[str]]:
    """The cells of the table, heading first; without rows of which nobody has numbers."""
    names = report["names"]
    lines = [["", *(SHOWN[name][0] for name in names), *EXTRA]]
    for row in report["rows"]:
        if row["runs"]["seconds"] or row["published"]:
            lines.append(_line(row, names))
    for name in ("real", "perfect"):
        scores = (cell(metric, report[name].get(metric)) for metric in names)
        lines.append([f"{name} samples", *scores, *[""] * len(EXTRA)])
    return lines


def _line(row: dict[str, Any], names: list[str]) -> list[str]:
    runs = len(row["runs"]["seconds"])
    took = f"{row['mean']['seconds']:.1f}" if runs else "-"
    published = [f"{SHOWN[name][0]} {cell(name, x)}" for name, x in row["published"].items()]
    diverged = f"ours diverged {row['diverged']} times" if row["diverged"] else ""
    words = "; ".join(filter(None, [*published, row["source"], diverged]))
    ours = (_ours(row, name) for name in names)
    return [row["row"], *ours, str(runs), f"{row['steps']:,}", str(row["cost"]), took, words]


def _ours(row: dict[str, Any], name: str) -> str:
    """A cell of ours; where only some runs have the number, it says how many."""
    known, runs = [x for x in row["runs"][name] if x is not None], len(row["runs"][name])
    few = f" ({len(known)} of {runs})" if 0 < len(known) < runs else ""
    return cell(name, row["mean"][name], row["std"][name]) + few


def _notes(report: dict[str, Any]) -> list[str]:
    """The sentence above the table, and the notes below it."""
    head = f"{report['title']}: {report['samples']:,} samples, seeds from 0; mean ± standard "
    head += "deviation over runs; cost: gradient evaluations a step; seconds a run."
    quick = "QUICK LOOK: a sixth of the steps, not the recipe. Do not quote these numbers. "
    missing = [row["row"] for row in report["rows"] if not row["runs"]["seconds"]]
    left = [f"Not run here: {'; '.join(missing)}."] if missing else []
    return [quick * report["quick"] + head, *left, *report["notes"], *report["made"]]
