"""What a long command shows while it works."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

TALK = 10.0  # seconds between two lines in a log


def progress_bar(done: int, total: int, plain: bool) -> Any:
    """A progress bar on a terminal; elsewhere, and if `plain`, a line now and then."""
    how: dict[str, Any] = {"total": total, "initial": done, "unit": " steps", "smoothing": 0}
    # Steps a second even where that is below one; `rate_fmt` would turn to seconds a step.
    rate = "{rate_noinv_fmt}"
    how["bar_format"] = (
        f"{{l_bar}}{{bar}}| {{n_fmt}}/{{total_fmt}} [{{elapsed}}<{{remaining}}, {rate}]"
    )
    if plain or not sys.stderr.isatty():
        line = f"{{n_fmt}} of {{total_fmt}} steps, {{elapsed}}, {rate}\n"
        how |= {"mininterval": TALK, "miniters": 1, "bar_format": line}
    return tqdm(**how)
