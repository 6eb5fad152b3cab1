"""How much memory a kernel needs that runs a lesson from top to bottom, as a table for the README.

    python benchmarks/memory.py [LESSON ...] [--json]

Each lesson runs in a fresh kernel, with its full numbers; what is printed is the most memory that
the kernel held at any moment (its peak resident set). The notebooks are left as they are. Linux and
macOS only.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nbformat

from tests.notebooks import FOLDER, execute, found, read

# Where /proc is there, it is asked: `getrusage` may report the process that started the kernel.
PEAK = """
from pathlib import Path
status = Path("/proc/self/status")
if status.exists():
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    print("peak", int(line.split()[1]) * 1024)
else:
    import resource
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(path: Path) -> int:
    """Bytes that a kernel held at most while it ran the lesson at `path`."""
    notebook = read(path)
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK))
    execute(notebook, fast=False, timeout=1800)
    return int(notebook.cells[-1].outputs[-1].text.split()[-1])


def main() -> None:
    """Measure the lessons that are named, or all, one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("lessons", nargs="*", type=found, metavar="LESSON")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead")
    options = parser.parse_args()
    peaks = {}
    for path in options.lessons or sorted(FOLDER.glob("*.ipynb")):
        began = time.monotonic()
        peaks[path.stem] = peak(path)
        took = time.monotonic() - began
        print(f"{path.stem}: {peaks[path.stem] / 2**30:.2f} GiB, {took:.0f} s", file=sys.stderr)
    if options.json:
        print(json.dumps(peaks))
        return
    print("| lesson | most memory |\n|---|---|")
    for name, most in peaks.items():
        print(f"| {name[:2]} | {most / 2**30:.2f} GiB |")


if __name__ == "__main__":
    main()
