"""Numbers as people type them into a field: `1/2`, `2 ln 2`, `-log(4)`, `[-2, 2]`, `sqrt(2)/pi`.

What is typed is parsed and computed here; it is never handed to Python to run.
"""

from __future__ import annotations

import ast
import cmath
import math
import operator
import re
import warnings
from collections.abc import Callable
from typing import Any

LONGEST = 200  # characters; nobody needs more for a number
NAMES: dict[str, complex] = {"pi": math.pi, "π": math.pi, "e": math.e, "inf": math.inf}
NAMES |= {"infinity": math.inf, "∞": math.inf, "nan": math.nan}
FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "log": cmath.log,
    "ln": cmath.log,
    "log2": lambda x: cmath.log(x, 2),
    "log10": cmath.log10,
    "exp": cmath.exp,
    "sqrt": cmath.sqrt,
    "abs": abs,
}
OPERATORS: dict[type[ast.AST], Callable[..., complex]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
SIGNS = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "^": "†", "²": "‡"})
# "2 ln 2" and "3 pi" mean products, and "ln 2" is "ln(2)" where nothing follows that binds closer.
CALL = re.compile(r"\b(log2|log10|log|ln|sqrt|exp)\s+(\d+\.?\d*|pi|e)\s*(?=$|[-+*,)\]])")
PRODUCT = re.compile(r"((?<![\w.])\d+\.?\d*|\))\s*(?=(?:log2|log10|log|ln|sqrt|exp|pi|π)\b|\()")


def number(text: str) -> Any:
    """The number, or the list of numbers, that `text` stands for.

    Raises: ValueError, or another exception of arithmetic, for anything else.
    """
    if len(text) > LONGEST:
        raise ValueError(f"a number needs no more than {LONGEST} characters")
    text = text.strip().translate(SIGNS).replace("†", "**").replace("‡", "**2")
    text = PRODUCT.sub(r"\1*", CALL.sub(r"\1(\2)", text))
    try:
        with warnings.catch_warnings(action="ignore"):  # Python's, about what was typed
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("this is not a number") from error
    return _value(tree)


def _value(node: ast.AST) -> Any:
    value = _computed(node)
    return value.real if isinstance(value, complex) and value.imag == 0 else value


def _computed(node: ast.AST) -> Any:
    match node:
        case ast.Constant(value=int() | float() | complex() as value) if value is not True:
            return complex(value)
        case ast.Name(id=name) if name.lower() in NAMES:
            return complex(NAMES[name.lower()])
        case ast.UnaryOp(op, operand) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_value(operand))
        case ast.BinOp(left, op, right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](_value(argument))
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item) for item in items]
    raise ValueError("this is not a number")
