"""The options of every command."""

from __future__ import annotations

import argparse

from gan_lessons import __version__
from gan_lessons.cli.storage import KINDS
from gan_lessons.errors import InputError, check_choice


def command_line_parser() -> argparse.ArgumentParser:
    """The parser of `gan-lessons`; what it reads names its command in `command`."""
    parser = argparse.ArgumentParser("gan-lessons", description="GANs, taught by playing the game")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for name, line in (
        ("lab", "open JupyterLab on the lessons"),
        ("playground", "the same: the first lesson holds the playground"),
    ):
        _lab_options(commands.add_parser(name, help=line, description=line))
    _doctor_options(commands.add_parser("doctor", help="say what is there and what is wrong"))
    _train_options(commands.add_parser("train", help="train a preset in the terminal"))
    _reproduce_options(commands.add_parser("reproduce", help="run a paper's table again"))
    commands.add_parser("test", help="run the tests; its options go to `python -m tests`")
    return parser


def _lab_options(lab: argparse.ArgumentParser) -> None:
    lab.add_argument("--port", type=_port, help="port of the server (the next one if taken)")
    lab.add_argument("--no-browser", action="store_true", help="only print the address")
    fresh = "put this lesson anew; your own copy is kept under another name"
    lab.add_argument("--fresh", nargs="+", default=[], metavar="LESSON", help=fresh)


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")


def _doctor_options(doctor: argparse.ArgumentParser) -> None:
    remove = f"take away what is kept on this machine: {', '.join(KINDS)}"
    doctor.add_argument("--remove", nargs="+", type=_kind, metavar="WHAT", default=[], help=remove)
    doctor.add_argument("--yes", action="store_true", help="do not ask before removing your work")


def _kind(text: str) -> str:
    try:
        return check_choice("thing to remove", text, KINDS)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _train_options(train: argparse.ArgumentParser) -> None:
    set_help = (
        "a knob (--knobs lists them) or a field of the config: "
        "lr_d=0.002 batch=64 'data=Ring(modes=12)' ..."
    )
    add = train.add_argument
    add("preset", metavar="PRESET", help="ring, grid, ganlab-gaussians, relu-256-512-512, ...")
    add("--seed", type=int, default=0, help="0")
    add("--steps", type=int, help="train up to this step; else the preset's number of steps")
    add("--set", nargs="+", action="extend", default=[], metavar="KNOB=VALUE", help=set_help)
    add("--knobs", action=_ListKnobs, nargs=0, help="list the knobs, and exit")
    add("--out", metavar="FOLDER", help="runs/PRESET-SEED, and what --set changes")
    every = "steps between checkpoints (1000); one every ten seconds comes in any case"
    add("--every", type=int, default=1000, metavar="N", help=every)
    add("--resume", action="store_true", help="go on from the last checkpoint in FOLDER")
    _json_option(train)


class _ListKnobs(argparse.Action):
    """What `--knobs` does. Only here are the knobs loaded, so that help stays instant."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from gan_lessons.cli.settings import knob_list

        print(knob_list())
        parser.exit()


def _reproduce_options(reproduce: argparse.ArgumentParser) -> None:
    tables = "ring, grid, unrolled, cures, penalties, stacked-digits, ..."
    seeds = "how many seeds a row (3 to 10, depending on the table; 1 with --quick)"
    add = reproduce.add_argument
    add("table", metavar="TABLE", help=tables)
    add("--seeds", type=int, metavar="N", help=seeds)
    add("--only", default="", metavar="TEXT", help="just the rows whose name contains this")
    add("--quick", action="store_true", help="a sixth of the steps: to look at, not to quote")
    add("--out", metavar="FOLDER", help="runs/reproduce-TABLE; finished runs stay there")
    _json_option(reproduce)


def _json_option(command: argparse.ArgumentParser) -> None:
    text = "end with one line of JSON on standard output"
    command.add_argument("--json", action="store_true", help=text)
