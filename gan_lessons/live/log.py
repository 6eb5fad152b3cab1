"""Where tracebacks of the live layer are kept: pages show one sentence, this file the rest."""

from __future__ import annotations

import contextlib
import logging
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path

from gan_lessons.folders import our_state

SIZE = 200_000  # bytes, after which the file is begun anew; one older file is kept
_last: list[
    str
] = []  # the traceback written last: a figure that fails 20 times a second fails once


def log_path() -> Path | None:
    """The file of tracebacks, which is there once there was something to write; None if no home."""
    folder = our_state()
    return folder and folder / "errors.log"


class _Quiet(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing where the file cannot be written: the page has said what went wrong."""


def keep_traceback(error: BaseException, where: str) -> None:
    """Add the traceback of `error` to the log, unless it was the last one there. Never fails."""
    text = "".join(traceback.format_exception(error))
    if _last == [text]:
        return
    _last[:] = [text]
    if (path := log_path()) is None:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _Quiet(path, maxBytes=SIZE, backupCount=1, encoding="utf-8", delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        fields = {"name": "gan_lessons.live", "msg": f"{where}\n{text}", "levelname": "ERROR"}
        handler.emit(logging.makeLogRecord(fields))
        handler.close()
