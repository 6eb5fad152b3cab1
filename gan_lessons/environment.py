"""What in a process's environment keeps JAX or the lessons from working, and the way out.

Standard library only, and nothing is changed on import. The command line calls `check_variables`
and `set_aside` before it loads JAX. In a notebook the package calls `check_notebook` as it is
imported, so that a reader gets a sentence in place of JAX's pages; the rest is seen to by
`gan_lessons.training.runtime` and `devices` once JAX is there.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gan_lessons import interpreter
from gan_lessons.errors import InputError, nearest

TRUE = ("y", "yes", "t", "true", "on", "1")
FALSE = ("n", "no", "f", "false", "off", "0")
# Values of JAX's variables that are known to be read without an error; others are tried.
READ = (*TRUE, *FALSE, "raise", "warn", "allow", "strict", "standard", "cpu")
DRAWN = re.compile("|agg|tkagg|qtagg|svg|pdf|inline|module://.*", re.IGNORECASE)
PLATFORMS = {"cpu": "", "cuda": "jax_cuda", "gpu": "jax_cuda", "rocm": "jax_rocm", "tpu": "libtpu"}
EVERY_SEED = "the same seed shall give the same run everywhere"
WATCHED = "training itself stops at the first number that is not finite"


class Aside(NamedTuple):
    """A setting that a program of ours has no use for.

    Attributes:
        harmless: the values that change nothing, in small letters.
        usual: what JAX takes where nothing is set.
        why: the reason, in words.
    """

    harmless: tuple[str, ...]
    usual: bool | int | str
    why: str


ASIDE = {
    "JAX_ENABLE_X64": Aside(FALSE, False, "training runs in 32 bits"),
    "JAX_DISABLE_JIT": Aside(FALSE, False, "training is compiled"),
    "JAX_DEBUG_NANS": Aside(FALSE, False, WATCHED),
    "JAX_DEBUG_INFS": Aside(FALSE, False, WATCHED),
    "JAX_CHECK_TRACER_LEAKS": Aside(FALSE, False, "it takes caches for leaks"),
    "JAX_NO_TRACING": Aside(FALSE, False, "training is compiled"),
    "JAX_NO_EXECUTION": Aside(FALSE, False, "training computes"),
    "JAX_DEFAULT_PRNG_IMPL": Aside(("threefry2x32",), "threefry2x32", EVERY_SEED),
    "JAX_RANDOM_SEED_OFFSET": Aside(("0",), 0, EVERY_SEED),
    "JAX_THREEFRY_PARTITIONABLE": Aside(TRUE, True, EVERY_SEED),
    "JAX_TRANSFER_GUARD": Aside(
        ("allow", "log"), "allow", "numbers move between Python and the device"
    ),
    "JAX_TRANSFER_GUARD_HOST_TO_DEVICE": Aside(
        ("allow", "log"), "allow", "numbers move to the device"
    ),
    "JAX_TRANSFER_GUARD_DEVICE_TO_HOST": Aside(
        ("allow", "log"), "allow", "numbers come from the device"
    ),
    "JAX_TRANSFER_GUARD_DEVICE_TO_DEVICE": Aside(
        ("allow", "log"), "allow", "numbers move between devices"
    ),
}
TRY_FLAGS = "from jaxlib import xla_client; xla_client.make_cpu_client()"
TRY_IMPORT = "import jax, jaxtyping, flax"
READERS = ("JAX_", "JAXTYPING_", "FLAX_")  # whose variables are read as they are imported


def check_notebook() -> None:
    """What is looked at when a notebook imports the package; InputError with the first fault.

    Variables, versions, a file of the reader's that hides a package, whether the lesson is of
    another checkout than the package, and whether NumPy loads.
    """
    if faults := interpreter.misfits():
        here = f"the notebook's Python is {sys.executable}"
        raise InputError(f"{faults[0]} ({here}); `python3 -m gan_lessons lab` puts that right")
    for name in interpreter.requirement_names():
        for file in (f"{name}.py", f"{name}/__init__.py"):
            if Path(file).is_file():
                raise InputError(f"{Path(file).absolute()} hides the package {name}; rename it")
    if other := copy_of_this_folder():
        ours = Path(__file__).parent
        raise InputError(
            f"this notebook is of {other.parent}, and `import gan_lessons` gives another version,"
            f" {ours}; start it by `python3 -m gan_lessons lab` in {other.parent}, or copy the"
            " notebook elsewhere to have it use that version"
        )
    check_variables()
    with explained():  # the first thing that every room needs
        import numpy  # noqa: F401
    for variable in in_the_way():
        if "TRANSFER" in variable:  # most cells compute before anything of ours could change it
            value = os.environ[variable]
            raise InputError(f"{variable}={value} stops every computation; {_unset(variable)}")


def check_variables() -> None:
    """Raise InputError where a variable would keep JAX from starting, and say which.

    Takes no time as long as no unusual variable is set; otherwise JAX is tried in a process of
    its own, since XLA ends the process that it does not like the flags of.
    """
    if "jax" not in sys.modules:
        _check_platforms("JAX_PLATFORMS")
        _check_platforms("JAX_PLATFORM_NAME")
        if os.environ.get("XLA_FLAGS"):
            _try(TRY_FLAGS)
        if any(map(_unusual, os.environ)):
            _try(TRY_IMPORT)
    if "matplotlib" not in sys.modules and not DRAWN.fullmatch(os.environ.get("MPLBACKEND", "")):
        _try("import matplotlib")


def _check_platforms(variable: str) -> None:
    given = os.environ.get(variable, "")
    names = given if variable == "JAX_PLATFORMS" else given.lower()  # JAX is as strict as that
    for name in filter(None, names.split(",")):
        if name not in PLATFORMS and not _plugin(f"jax_{name.lower()}"):
            known = f"{nearest(name, PLATFORMS)} (known: {', '.join(PLATFORMS)})"
            raise InputError(
                f"{variable}={given}: JAX has no platform {name!r}{known}; {_unset(variable)}"
            )
        if (wanted := PLATFORMS.get(name)) and not _plugin(wanted):
            extra = " or install it: pip install -e '.[gpu]'" if wanted == "jax_cuda" else ""
            raise InputError(
                f"{variable}={given}, and this Python has no JAX for {name!r}; {_unset(variable)}"
                f" to compute on what is there{extra and ','}{extra}"
            )


def _plugin(name: str) -> bool:
    """Whether a package whose name begins so is there."""
    installed = {found.replace("-", "_") for found in interpreter.installed_versions()}
    return any(found.startswith(name) for found in installed) or bool(
        os.environ.get("TPU_LIBRARY_PATH")
    )


def _unusual(variable: str) -> bool:
    """Whether the value of a variable is one that JAX, or what is built on it, may not read."""
    value = os.environ[variable]
    if not variable.startswith(READERS) or variable in ("JAX_PLATFORMS", "JAX_PLATFORM_NAME"):
        return False
    return not (
        value.lower() in READ or os.path.isabs(value) or re.fullmatch(r"\d+(\.\d+)?", value)
    )


def _try(program: str) -> None:
    tried = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, errors="replace"
    )
    if tried.returncode and (said := sentence_of(tried.stderr)):
        raise InputError(said)


def sentence_of(text: str) -> str:
    """What JAX or XLA said as it refused its variables, in a sentence; "" if it is about others."""
    lines = [line.split("] ", 1)[-1] for line in text.strip().splitlines()] or [""]
    flags = [line for line in lines if re.search(r"XLA_FLAGS|for flag xla|Unknown flag", line)]
    if flags:
        given = os.environ.get("XLA_FLAGS", "")
        return f"XLA_FLAGS={given}: {_short(flags[0])}; {_unset('XLA_FLAGS')}"
    last = re.sub(r"^\w+(Error|Exception): ", "", lines[-1])
    named = {name.upper() for name in re.findall(r"\b(?:jax|flax)\w*_\w+", text, re.IGNORECASE)}
    set_here = [name for name in os.environ if name.startswith((*READERS, "XLA_", "MPL"))]
    causes = [name for name in set_here if name in named]
    causes = causes or [name for name in set_here if repr(os.environ[name]) in last]
    if not causes:
        return ""
    return f"{causes[0]}={os.environ[causes[0]]}: {_short(last)}; {_unset(causes[0])}"


def _short(text: str) -> str:
    """One line of at most 200 characters, without the full stop at its end."""
    return " ".join(text.split())[:200].rstrip(". ")


def _unset(variable: str) -> str:
    again = ", and restart the kernel" if "ipykernel" in sys.modules else ", and start again"
    return f"unset {variable}{again}"


def set_aside() -> list[str]:
    """Take out of this process's environment what a program of ours has no use for.

    Call it before JAX is loaded; programs that are started later do not get them either. Returns a
    sentence for each variable that would have mattered.
    """
    notes = []
    if "jax" not in sys.modules:
        for variable, note in in_the_way().items():
            del os.environ[variable]
            notes.append(note)
    return notes


def in_the_way() -> dict[str, str]:
    """The variables of ASIDE that are set to something that matters, with a sentence for each."""
    found = {}
    for variable, aside in ASIDE.items():
        value = os.environ.get(variable, "")
        if value and value.lower() not in aside.harmless:
            found[variable] = f"{variable}={value} is set aside: {aside.why}"
    return found


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn what goes wrong while packages are loaded into InputError: our own rooms do load."""
    try:
        yield
    except InputError:
        raise
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed for {sys.executable}; {CURE}") from error
    except Exception as error:
        said = sentence_of(f"{type(error).__name__}: {error}")
        raise InputError(said or _broken(error)) from error


CURE = (
    "`python3 -m gan_lessons doctor` says what is wrong; `python3 -m gan_lessons doctor --remove"
    " environment`, and then `lab`, makes the environment anew"
)


def _broken(error: Exception) -> str:
    where = Path(_last_file(error))
    lacks = "; ".join(interpreter.missing()[:2])
    what = f"the packages do not load ({type(error).__name__} in {where}: {_short(str(error))})"
    return f"{what}{lacks and f', and {lacks}'}; {CURE}"


def _last_file(error: BaseException) -> str:
    trace, file = error.__traceback__, ""
    while trace:
        file, trace = trace.tb_frame.f_code.co_filename, trace.tb_next
    return file


# ---- other versions of the package


def other_copies() -> list[Path]:
    """Other versions of this package: those on the path, and of the checkout one works in."""
    on_path = [Path(entry or ".") / "gan_lessons" for entry in sys.path]
    found = [package.resolve() for package in (*_packages_around(), *on_path) if _is_other(package)]
    return list(dict.fromkeys(found))


def copy_of_this_folder() -> Path | None:
    """The other version that the working folder belongs to, if there is one."""
    return next(filter(_is_other, _packages_around()), None)


def copy_that_kernels_load() -> Path | None:
    """The other version that a Python started elsewhere would import, if there is one."""
    on_path = [Path(entry) / "gan_lessons" for entry in sys.path[1:] if entry]
    first = next((package for package in on_path if (package / "__init__.py").is_file()), None)
    return first.resolve() if first and _is_other(first) else None


def _packages_around() -> list[Path]:
    """The packages of the checkouts that the working folder lies in."""
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return []
    around = [folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()]
    return [folder / "gan_lessons" for folder in around]


def _is_other(package: Path) -> bool:
    """Whether a folder holds another version than this one; one that is alike is as good."""
    ours = Path(__file__).resolve().parent
    try:
        if not (package / "__init__.py").is_file() or package.samefile(ours):
            return False
        return not _alike(filecmp.dircmp(ours, package, ignore=["__pycache__"]))
    except OSError:
        return False


def _alike(compared: filecmp.dircmp) -> bool:
    differ = compared.left_only + compared.right_only + compared.diff_files + compared.funny_files
    return not differ and all(map(_alike, compared.subdirs.values()))
