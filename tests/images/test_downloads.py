"""Fetching files from a server on loopback that misbehaves in every way a net can."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_lessons import folders
from gan_lessons.errors import InputError
from gan_lessons.images import Source, cache_folder, fetch

DATA = np.random.default_rng(0).bytes(300_000)
TIMEOUT = 0.4


class Handler(BaseHTTPRequestHandler):
    """The first part of the path says how to behave."""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Range")))
        getattr(self, self.path.split("/")[1].replace("-", "_"))()

    def answer(
        self, body: bytes, status: int = 200, promise: int | None = None, **more: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if promise is None else promise))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def start(self) -> int:
        return int((self.headers.get("Range") or "bytes=0-")[6:-1])

    def good(self) -> None:
        if start := self.start():
            span = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
            return self.answer(DATA[start:], 206, Content_Range=span)
        self.answer(DATA)

    def no_ranges(self) -> None:
        self.answer(DATA)

    def truncated(self) -> None:
        """Breaks off after most of what was asked for, each time."""
        start = self.start()
        rest = DATA[start:]
        span = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
        status, more = (206, {"Content_Range": span}) if start else (200, {})
        self.answer(rest[: len(rest) * 9 // 10 + 1], status, len(rest), **more)

    def always_half(self) -> None:
        self.answer(DATA[: len(DATA) // 2], promise=len(DATA))

    def wrong(self) -> None:
        self.answer(DATA[::-1])

    def longer(self) -> None:
        self.answer(DATA + b"more")

    def endless(self) -> None:
        """More than it should, without saying how much."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(DATA + DATA)

    def login_page(self) -> None:
        self.answer(b"<html>please log in</html>")

    def other_part(self) -> None:
        if self.start():
            return self.answer(DATA[:10], 206, Content_Range=f"bytes 0-9/{len(DATA)}")
        self.answer(DATA)

    def range_refused(self) -> None:
        self.answer(DATA) if not self.start() else self.send_error(416)

    def missing(self) -> None:
        self.send_error(404)

    def broken(self) -> None:
        self.send_error(500)

    def stalled(self) -> None:
        self.answer(DATA[:1000], promise=len(DATA))
        self.server.free.wait(20)

    def silent(self) -> None:
        self.server.free.wait(20)

    def nonsense(self) -> None:
        self.wfile.write(b"what?\r\n\r\n")

    def moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/good/file")
        self.end_headers()


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A server on loopback; `seen` are (path, Range) of the requests it got."""
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.seen, made.free = [], threading.Event()
    made.daemon_threads = True
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.free.set()
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture(autouse=True)
def no_classroom(monkeypatch: pytest.MonkeyPatch, server: Any) -> None:
    monkeypatch.delenv("GAN_LESSONS_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.seen.clear()


@pytest.fixture
def source(server: Any) -> Any:
    """How to make a Source whose addresses behave as named."""

    def make(*ways: str, data: bytes = DATA) -> Source:
        urls = tuple(f"http://127.0.0.1:{server.server_port}/{way}/file" for way in ways)
        return Source("set/file", urls, hashlib.sha256(data).hexdigest(), len(data))

    return make


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def refusal(source: Source, folder: Path) -> str:
    """The sentence with which `fetch` gives up, having left no file that looks whole."""
    with pytest.raises(InputError) as caught:
        fetch(source, folder, TIMEOUT)
    assert "file" not in left(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    "way", ["good", "no-ranges", "truncated", "endless", "other-part", "range-refused", "moved"]
)
def test_what_can_be_fetched_is_fetched_and_kept(way, source, server, tmp_path):
    path = fetch(source(way), tmp_path, TIMEOUT)
    assert path == tmp_path / "set" / "file"
    assert path.read_bytes() == DATA
    server.seen.clear()
    assert fetch(source(way), tmp_path, TIMEOUT) == path
    assert server.seen == []
    assert left(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("way", "says"),
    [
        ("wrong", "checksum"),
        ("always-half", "breaks off"),
        ("longer", "300004 bytes instead of 300000"),
        ("login-page", "26 bytes instead"),
        ("missing", "404.*no longer there"),
        ("broken", "500"),
        ("stalled", r"nothing for 0\.4 seconds"),
        ("silent", r"nothing for 0\.4 seconds"),
        ("nonsense", "cannot be reached"),
    ],
)
def test_what_goes_wrong_is_said_and_the_next_address_tried(way, says, source, server, tmp_path):
    text = refusal(source(way), tmp_path)
    assert re.search(says, text)
    assert fetch(source(way, "good"), tmp_path, TIMEOUT).read_bytes() == DATA
    assert left(tmp_path) == ["file"]


def test_without_a_net_it_says_what_to_put_where(tmp_path):
    nowhere = Source("mnist/a.gz", ("http://127.0.0.1:9/a.gz",), "ab" * 32, 123)
    text = refusal(nowhere, tmp_path)
    for part in ("127.0.0.1:9/a.gz", "123 bytes", "ab" * 32, str(tmp_path / "mnist" / "a.gz")):
        assert part in text
    assert "GAN_LESSONS_DATA" in text
    assert left(tmp_path) == []


@pytest.mark.parametrize("way", ["good", "no-ranges", "other-part", "range-refused"])
def test_a_partial_file_is_resumed_or_started_over(way, source, server, tmp_path):
    refusal(source("stalled"), tmp_path)
    assert left(tmp_path) == ["file.part"]
    had = (tmp_path / "set" / "file.part").stat().st_size
    assert had == 1000
    server.seen.clear()
    assert fetch(source(way), tmp_path, TIMEOUT).read_bytes() == DATA
    assert server.seen[0][1] == "bytes=1000-"
    assert len(server.seen) == (1 if way in ("good", "no-ranges") else 2)


@pytest.mark.parametrize("size", [1000, len(DATA), len(DATA) + 5])
def test_a_partial_file_of_something_else_does_no_harm(size, source, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.part").write_bytes(b"x" * size)
    assert fetch(source("good"), tmp_path, TIMEOUT).read_bytes() == DATA
    assert left(tmp_path) == ["file"]


def test_a_whole_file_left_as_partial_needs_no_net(source, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.part").write_bytes(DATA)
    assert fetch(source("missing"), tmp_path, TIMEOUT).read_bytes() == DATA


def test_a_file_that_a_killed_process_left_is_taken_over_when_it_is_old(source, server, tmp_path):
    (tmp_path / "set").mkdir()
    old, new = (tmp_path / "set" / f"file.{name}.part" for name in ("old", "new"))
    old.write_bytes(DATA[:5000])
    new.write_bytes(DATA[:6000])
    os.utime(old, (time.time() - 1000,) * 2)
    fetch(source("good"), tmp_path, TIMEOUT)
    assert server.seen[0][1] == "bytes=5000-"
    assert left(tmp_path) == ["file", "file.new.part"]  # somebody may be writing to the new one


def test_a_damaged_file_in_the_cache_is_fetched_again(source, tmp_path, capsys):
    path = tmp_path / "set" / "file"
    path.parent.mkdir()
    for damaged in (DATA[:-1], DATA[:-1] + b"?"):
        path.write_bytes(damaged)
        assert fetch(source("good"), tmp_path, TIMEOUT).read_bytes() == DATA
        assert "damaged" in capsys.readouterr().err


def test_the_classroom_folder_comes_first_and_is_never_written_to(
    source, server, tmp_path, monkeypatch, capsys
):
    room, mine = tmp_path / "room", tmp_path / "mine"
    monkeypatch.setenv("GAN_LESSONS_DATA", str(room))
    assert fetch(source("good"), mine, TIMEOUT) == mine / "set" / "file"  # there is no room
    (room / "set").mkdir(parents=True)
    (room / "set" / "file").write_bytes(DATA)
    server.seen.clear()
    assert fetch(source("good"), mine, TIMEOUT) == room / "set" / "file"
    (room / "set" / "file").write_bytes(b"other")
    assert fetch(source("good"), mine, TIMEOUT) == mine / "set" / "file"
    assert server.seen == []
    assert "room" in capsys.readouterr().err
    assert left(room) == ["file"]


def test_a_folder_that_cannot_be_written_to_is_named(source, tmp_path):
    (tmp_path / "set").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write .*set"):
        fetch(source("good"), tmp_path, TIMEOUT)


def test_the_cache_is_the_users(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/gan-lessons/data")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "gan-lessons" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", "~/own")  # relative paths do not count there
    assert cache_folder() == Path.home() / ".cache" / "gan-lessons" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(folders, "home", lambda: None)
    assert cache_folder().is_absolute() and "~" not in str(cache_folder())


def test_a_strange_timeout_is_refused(source, tmp_path):
    for timeout in (0, -1, None, "1", float("nan")):
        with pytest.raises(InputError, match="timeout"):
            fetch(source("good"), tmp_path, timeout)


def test_many_at_once_do_not_disturb_each_other(source, tmp_path):
    wanted, got = source("truncated", "no-ranges"), []
    threads = [
        threading.Thread(target=lambda: got.append(fetch(wanted, tmp_path, 5).read_bytes()))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [DATA] * 6
    assert left(tmp_path) == ["file"]


def test_two_processes_at_once_do_not_disturb_each_other(source, tmp_path):
    code = (
        "import sys; from pathlib import Path; from gan_lessons.images import downloads as d;"
        f"print(d._sha256(d.fetch(d.{source('truncated')!r}, Path({str(tmp_path)!r}), 5)))"
    )
    ask = [sys.executable, "-W", "error", "-c", code]
    runs = [subprocess.Popen(ask, stdout=-1, stderr=-1, text=True) for _ in range(2)]
    told = [run.communicate(timeout=60) for run in runs]
    assert told == [(f"{source('good').sha256}\n", "")] * 2
    assert left(tmp_path) == ["file"]
