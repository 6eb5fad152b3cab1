"""Fetching files from a server on loopback that misbehaves in every way a net can."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from gan_lessons.errors import InputError
from gan_lessons.images import (
    DOWNLOADS,
    LOADERS,
    Source,
    cache_folder,
    fetch,
    formats,
    image_set,
    mnist,
    published,
)

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


# ---- what is in the files


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def cifar(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return whole.getvalue()


@settings(deadline=None, max_examples=50)
@given(array=arrays.arrays(np.uint8, arrays.array_shapes(max_dims=4, max_side=5)))
def test_idx_data_come_back(array, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "a.gz"
    path.write_bytes(gzip.compress(idx(array), 1))
    assert np.array_equal(formats.read_idx(path), array)


ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
WHOLE = gzip.compress(idx(ARRAY))


NO_IDX = {
    "empty": b"",
    "no gzip": b"no gzip at all",
    "gzip cut off": WHOLE[:-12],
    "gzip with a wrong byte": WHOLE[:20] + b"?" + WHOLE[21:],
    "nothing packed": gzip.compress(b""),
    "half a magic number": gzip.compress(b"\0\0\x08"),
    "numbers of another type": gzip.compress(b"\0\0\x0d" + idx(ARRAY)[3:]),
    "nine dimensions": gzip.compress(b"\0\0\x08\x09" + idx(ARRAY)[4:]),
    "sizes cut off": gzip.compress(idx(ARRAY)[:9]),
    "a byte too few": gzip.compress(idx(ARRAY)[:-1]),
    "a byte too many": gzip.compress(idx(ARRAY) + b"?"),
    "huge": gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 2**31) + b"?" * 50),
}


def test_what_is_no_idx_file_is_refused(tmp_path):
    for data in NO_IDX.values():
        (tmp_path / "a.gz").write_bytes(data)
        with pytest.raises(InputError, match=r"a\.gz cannot be read"):
            formats.read_idx(tmp_path / "a.gz")


RECORDS = np.random.default_rng(0).integers(0, 256, (5, 2, 3073)).astype(np.uint8)
RECORDS[:, :, 0] %= 10
BATCHES = {f"data_batch_{i}.bin": RECORDS[i - 1].tobytes() for i in (3, 1, 2, 5, 4)}
CIFAR = cifar({"readme.html": b"hello", "test_batch.bin": RECORDS[0].tobytes(), **BATCHES})


def test_cifar_batches_come_in_order_with_channels_last(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(CIFAR)
    images, labels = formats.read_cifar(tmp_path / "a.tar.gz", "train")
    records = RECORDS.reshape(10, 3073)
    assert np.array_equal(labels, records[:, 0])
    assert images.shape == (10, 32, 32, 3)
    assert np.array_equal(images[4, 3, 7], records[4, 1 + 3 * 32 + 7 :: 1024])
    assert len(formats.read_cifar(tmp_path / "a.tar.gz", "test")[0]) == 2


NO_CIFAR = {
    "no archive": b"no archive",
    "cut off": CIFAR[:-2000],
    "no batches": cifar({"readme.html": b"hello"}),
    "a batch of a byte": cifar({"data_batch_1.bin": b"?"}),
}


def test_what_is_no_cifar_archive_is_refused(tmp_path):
    for data in NO_CIFAR.values():
        (tmp_path / "a.tar.gz").write_bytes(data)
        with pytest.raises(InputError, match=r"a\.tar\.gz cannot be read"):
            formats.read_cifar(tmp_path / "a.tar.gz", "train")


def test_what_would_unpack_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "LARGEST", 20)
    (tmp_path / "a.gz").write_bytes(WHOLE)
    with pytest.raises(InputError, match="claims"):
        formats.read_idx(tmp_path / "a.gz")


# ---- the sets, from files as their publishers make them but tiny


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A classroom folder with small sets, whose checksums stand in for the real ones."""
    rng = np.random.default_rng(0)
    pictures = [("train", 20), ("t10k", 10)]
    files = {"cifar-10": {"cifar-10-binary.tar.gz": CIFAR}}
    for name in ("mnist", "fashion-mnist", "kmnist"):
        files[name] = {}
        for split, n in pictures:
            images = rng.integers(0, 256, (n, 28, 28)).astype(np.uint8)
            labels = np.arange(n, dtype=np.uint8) % 10
            files[name][f"{split}-images-idx3-ubyte.gz"] = gzip.compress(idx(images), 1)
            files[name][f"{split}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels), 1)
    for name, parts in files.items():
        (tmp_path / name).mkdir()
        rows = []
        for file, data in parts.items():
            (tmp_path / name / file).write_bytes(data)
            rows.append(f"{file} {len(data)} {hashlib.sha256(data).hexdigest()}")
        monkeypatch.setitem(published.CHECKSUMS, name, "\n".join(rows))
    monkeypatch.setenv("GAN_LESSONS_DATA", str(tmp_path))
    published._loaded.cache_clear()
    yield tmp_path
    published._loaded.cache_clear()


@pytest.mark.parametrize("name", DOWNLOADS)
def test_sets_are_loaded_with_labels_and_class_names(name, tiny):
    side, colours = (32, (3,)) if name == "cifar-10" else (28, ())
    train, test = image_set(name), DOWNLOADS[name]("test")
    assert train.shape == test.shape == (side, side, *colours)
    assert len(train) > len(test)
    assert train.classes == len(train.class_names) == 10
    assert train.images.min() == -1 and train.images.max() == 1
    assert image_set(name) is train
    assert image_set(name, 16).shape == (16, 16, *colours)
    assert np.array_equal(image_set(name, 16).labels, train.labels)
    assert train.distribution(labels=True).given.size == 10


def test_pixels_of_a_set_are_those_of_its_file(tiny):
    file = tiny / "mnist" / "t10k-images-idx3-ubyte.gz"
    pixels = np.frombuffer(gzip.decompress(file.read_bytes())[16:], np.uint8)
    assert np.array_equal(np.rint((mnist("test").images.ravel() + 1) * 127.5), pixels)


def test_strange_wishes_for_a_set_are_refused(tiny):
    with pytest.raises(InputError, match="split"):
        mnist("validation")
    with pytest.raises(InputError, match="image size"):
        mnist(size=2)
    with pytest.raises(InputError, match="did you mean 'kmnist'"):
        image_set("k-mnist")


def test_addresses_and_checksums_are_whole():
    for name in DOWNLOADS:
        files = published.sources(name)
        assert len(files) == (1 if name == "cifar-10" else 4)
        for file, source in files.items():
            assert source.name == f"{name}/{file}"
            assert len(source.urls) >= 2
            assert all(url.startswith("http") and url.endswith(f"/{file}") for url in source.urls)
            assert len(bytes.fromhex(source.sha256)) == 32 and source.bytes > 4000


def test_what_is_loaded_without_being_asked_for_needs_no_net():
    assert not set(LOADERS) & set(DOWNLOADS)
