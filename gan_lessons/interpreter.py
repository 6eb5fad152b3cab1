"""The running interpreter: what it lacks of what `pyproject.toml` asks for, and how to replace it.

Like `gan_lessons.installing` and `gan_lessons.__main__` this imports the standard library only
and is written in a Python that 3.6 can read. What is installed is read off the environment itself,
at every start, in a few milliseconds.
"""

import operator
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"
MARK = Path(sys.prefix) / "gan-lessons-installing"  # there while an installation is under way
OLDEST = (3, 11)
COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


def missing(extra: str = "") -> list:
    """What pyproject.toml and its `extra` ask for and this interpreter lacks, a phrase each."""
    if not PYPROJECT.is_file():  # not a checkout: pip installed us together with the rest
        return []
    if sys.version_info < OLDEST:
        return [f"Python {version_text()} is too old"]
    faults = misfits(extra)
    if MARK.exists():
        faults.append("an installation was begun and has not ended")
    if not any(same_folder(entry, ROOT) for entry in sys.path[1:]):
        faults.append("this checkout is not installed, so notebooks could not import it")
    return faults


def misfits(extra: str = "") -> list:
    """The packages that are not here or not of a version that fits, a phrase each."""
    if not PYPROJECT.is_file():
        return []
    found = installed_versions()
    wanted = [*requirements(extra), *requirements_of("jax", "jaxlib", found)]
    return [text for text in (fault(requirement, found) for requirement in wanted) if text]


def requirement_names() -> list:
    """The names of what the project asks for, as modules."""
    wanted = requirements("") if PYPROJECT.is_file() else []
    return [re.findall(r"^[\w.-]+", text)[0].replace("-", "_") for text in wanted]


def requirements_of(package: str, other: str, found: dict) -> list:
    """What one installed package asks of another: JAX's halves come as two, and must fit."""
    wanted = "Requires-Dist: " + other
    for entry in sys.path:
        file = Path(entry, f"{package}-{found.get(package)}.dist-info", "METADATA")
        if file.is_file():
            lines = file.read_text(encoding="utf-8").splitlines()
            texts = [line for line in lines if line.startswith(wanted) and ";" not in line]
            return [text[len("Requires-Dist: ") :] for text in texts]
    return []


def requirements(extra: str) -> list:
    """The requirements of the project and of one of its extras, as they are written."""
    import tomllib

    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    return project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])


def installed_versions() -> dict:
    """Version of every installed distribution, read from folder names (fast: no file is opened)."""
    found = {}
    for folder in reversed([Path(entry) for entry in sys.path if os.path.isdir(entry)]):
        for entry in folder.glob("*.dist-info"):
            name, _, version = entry.name[: -len(".dist-info")].partition("-")
            found[canonical_name(name)] = version
    return found


def fault(requirement: str, found: dict) -> str:
    """Why the installed distributions do not meet `name>=1,<2`, or an empty string."""
    name, window = re.findall(r"^([\w.-]+)(?:\[.*\])?([^;]*)", requirement)[0]
    version = found.get(canonical_name(name))
    if version is None:
        return f"{name} is not installed"
    for sign, bound in re.findall(r"([<>=!]+)\s*([\d.]+)", window):
        if not COMPARE[sign](release(version), release(bound)):
            return f"{name} is {version}, which is not {window.strip()}"
    return ""


def canonical_name(name: str) -> str:
    """A distribution's name in the one spelling that pip compares."""
    return re.sub(r"[-_.]+", "-", name).lower()


def release(version: str) -> tuple:
    """`"2.13.0+cpu"` as `(2, 13)`: the numbers only, without trailing zeros."""
    numbers = [int(number) for number in re.findall(r"\d+", re.split(r"[^\d.]", version)[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def same_folder(one: str, other: Path) -> bool:
    """Whether both paths lead to one folder."""
    return os.path.isdir(one) and os.path.samefile(one, str(other))


def in_environment() -> bool:
    """Whether this is a virtual or a conda environment (conda's base is left alone)."""
    prefix = Path(sys.prefix)
    conda = (prefix / "conda-meta").is_dir() and not (prefix / "condabin").is_dir()
    return conda or sys.prefix != sys.base_prefix


def version_text() -> str:
    """The version of the running Python, as in `3.11.7`."""
    return "{}.{}.{}".format(*sys.version_info)


def become(python: "str | Path", module: str, arguments: list) -> int:
    """Replace this process by `python -m MODULE ARGUMENTS`.

    Returns only on Windows, where it waits and gives the exit status: `execv` there would return
    to the shell before the new program has ended.
    """
    command = [str(python), "-m", module, *arguments]
    sys.stdout.flush()
    if os.name == "nt":
        return subprocess.call(command)
    os.execv(command[0], command)
