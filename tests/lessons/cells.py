"""The names that a lesson's cells define, without running its experiments."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from tests.notebooks import FOLDER, read


def defined_in(name: str, set_up: Callable[[ast.stmt], bool]) -> dict[str, Any]:
    """What the cells of lesson `name` import and define as functions, and what they set up.

    Args:
        set_up: which of the other statements, at the top of a cell, are to be run as well.
    """
    names: dict[str, Any] = {}
    for cell in read(FOLDER / f"{name}.ipynb").cells:
        if cell.cell_type == "code":
            body = [node for node in ast.parse(cell.source).body if _defines(node) or set_up(node)]
            exec(compile(ast.Module(body, []), name, "exec"), names)
    return names


def _defines(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)
