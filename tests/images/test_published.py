"""The published sets, as people put their files there by hand."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_lessons.errors import InputError
from gan_lessons.images import DOWNLOADS, LOADERS, image_set, mnist, published
from gan_lessons.images.finding import Content, Search
from tests.images.test_formats import archive, idx


def zipped(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return whole.getvalue()


RECORDS = np.random.default_rng(0).integers(0, 256, (6, 2, 3073)).astype(np.uint8)
RECORDS[:, :, 0] %= 10
BATCHES = {f"data_batch_{i}.bin": RECORDS[i - 1].tobytes() for i in (3, 1, 2, 5, 4)}
BATCHES["test_batch.bin"] = RECORDS[5].tobytes()
IN_FOLDER = {f"cifar-10-batches-bin/{name}": data for name, data in BATCHES.items()}
CIFAR = archive({"cifar-10-batches-bin/readme.html": b"hello", **IN_FOLDER})


# Files as their publishers make them, but tiny.
RNG = np.random.default_rng(0)
FILES: dict[str, dict[str, bytes]] = {"cifar-10": dict(sorted(BATCHES.items()))}
for _name in ("mnist", "fashion-mnist", "kmnist"):
    FILES[_name] = {}
    for _split, _n in (("train", 20), ("t10k", 10)):
        _images = RNG.integers(0, 256, (_n, 28, 28)).astype(np.uint8)
        FILES[_name][f"{_split}-images-idx3-ubyte"] = idx(_images)
        # Labels in another order each time: no two sets have the same.
        _labels = RNG.permutation(np.arange(_n) % 10).astype(np.uint8)
        FILES[_name][f"{_split}-labels-idx1-ubyte"] = idx(_labels)


def digest(name: str, data: bytes) -> str:
    """A checksum in another kind for each set."""
    if name == "kmnist":
        made = subprocess.run(["git", "hash-object", "--stdin"], input=data, capture_output=True)
        return f"git:{made.stdout.decode().strip()}"
    kind = "md5" if name == "cifar-10" else "sha256"
    return f"{kind}:{hashlib.new(kind, data).hexdigest()}"


TABLES = {
    name: "\n".join(f"{file} {len(data)} {digest(name, data)}" for file, data in files.items())
    for name, files in FILES.items()
}


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty classroom folder; tiny sets whose checksums stand for the real ones; no net."""
    for name, table in TABLES.items():
        monkeypatch.setitem(published.CONTENTS, name, table)
        monkeypatch.setitem(published.HOMES, name, ("http://127.0.0.1:9/",))
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("GAN_LESSONS_DATA", str(room))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    published._loaded.cache_clear()
    yield room
    published._loaded.cache_clear()


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def put_all(room: Path) -> None:
    for name, files in FILES.items():
        put(room / name, {f"{file}.gz": gzip.compress(data) for file, data in files.items()})


@pytest.mark.parametrize("name", DOWNLOADS)
def test_sets_are_loaded_with_labels_and_class_names(name, room):
    put_all(room)
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


def test_strange_wishes_for_a_set_are_refused():
    with pytest.raises(InputError, match="split"):
        mnist("validation")
    with pytest.raises(InputError, match="image size"):
        mnist(size=2)
    with pytest.raises(InputError, match="did you mean 'kmnist'"):
        image_set("k-mnist")


Packed = Callable[[dict[str, bytes]], dict[str, bytes]]


def renamed(change: Callable[[str], str], pack: Any = lambda data: data) -> Packed:
    return lambda files: {change(name): pack(data) for name, data in files.items()}


BY_HAND: dict[str, Packed] = {
    "packed anew": renamed("{}.gz".format, gzip.compress),
    "packed quickly": renamed("mnist/{}.gz".format, lambda data: gzip.compress(data, 1)),
    "packed twice": renamed("{}.gz.gz".format, lambda data: gzip.compress(gzip.compress(data))),
    "unpacked": renamed("{}".format),
    "unpacked, though called .gz": renamed("{}.gz".format),
    "bzip2": renamed("{}.bz2".format, bz2.compress),
    "renamed by a browser": renamed("{} (1).gz".format, gzip.compress),
    "with dots": renamed(lambda name: name.replace("-idx", ".idx")),
    "upper case": renamed(lambda name: f"{name.upper()}.GZ", gzip.compress),
    "without meaning": renamed(lambda name: hashlib.md5(name.encode()).hexdigest(), gzip.compress),
    "as torchvision leaves it": renamed("MNIST/raw/{}".format),
    "in folders of their own": renamed("a/b/c/{0}/{0}".format),
    "other alphabets": renamed("Данные [1]/{}".format),
    "zip": lambda files: {"archive.zip": zipped(files)},
    "zip of gzip": lambda files: {"a.zip": zipped(renamed("x/{}.gz".format, gzip.compress)(files))},
    "a zip each": renamed("{}.zip".format, lambda data: zipped({"data": data})),
    "tar": lambda files: {"mnist.tar": archive(files, "w")},
    "tar.gz": lambda files: {"mnist.tgz": archive(files)},
    "zip of tar": lambda files: {"all.zip": zipped({"all.tar": archive(files)})},
}


@pytest.mark.parametrize("how", BY_HAND)
def test_a_right_content_is_taken_however_it_is_packed_and_called(how, room, capsys):
    put(room, BY_HAND[how](FILES["mnist"]))
    for split, part in (("train", "train"), ("test", "t10k")):
        pixels = np.frombuffer(FILES["mnist"][f"{part}-images-idx3-ubyte"][16:], np.uint8)
        images = mnist(split)
        assert np.array_equal(np.rint((images.images.ravel() + 1) * 127.5), pixels)
        labels = np.frombuffer(FILES["mnist"][f"{part}-labels-idx1-ubyte"][8:], np.uint8)
        assert np.array_equal(images.labels, labels)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("place", ["the file itself", "the cache", "a link", "both"])
def test_where_files_by_hand_may_lie(place, room, tmp_path, monkeypatch):
    files = FILES["mnist"]
    if place == "the file itself":
        put(tmp_path, {"mnist.zip": zipped(files)})
        monkeypatch.setenv("GAN_LESSONS_DATA", str(tmp_path / "mnist.zip"))
    elif place == "a link":
        put(tmp_path / "far", files)
        (room / "mnist").symlink_to(tmp_path / "far")
        (room / "loop").symlink_to(room)
    else:
        images = {name: data for name, data in files.items() if "images" in name}
        put(tmp_path / "cache" / "gan-lessons" / "data", files if place == "the cache" else images)
        put(room, {} if place == "the cache" else {n: d for n, d in files.items() if "label" in n})
    assert len(mnist()) == 20 and len(mnist("test")) == 10


def test_cifar_is_read_packed_unpacked_or_in_parts(room):
    ways = [
        {"cifar-10/cifar-10-binary.tar.gz": CIFAR},
        {"cifar-10-binary (1).tar": gzip.decompress(CIFAR)},
        IN_FOLDER,
        BATCHES,
        {"cifar.zip": zipped(IN_FOLDER)},
        {f"{name}.gz": gzip.compress(data) for name, data in BATCHES.items()},
    ]
    for place, files in enumerate(ways):
        published._loaded.cache_clear()
        put(room / str(place), files)
        train, test = DOWNLOADS["cifar-10"](), DOWNLOADS["cifar-10"]("test")
        assert np.array_equal(train.labels, RECORDS[:5, :, 0].ravel())
        assert np.array_equal(test.labels, RECORDS[5, :, 0])
        for file in room.rglob("*"):
            if file.is_file():
                file.unlink()


def test_other_sets_in_folders_of_their_own_are_not_remarked_on(room, tmp_path, capsys):
    put(room / "fashion-mnist", FILES["fashion-mnist"])
    put(room / "KMNIST" / "raw", FILES["kmnist"])
    put(tmp_path / "cache" / "gan-lessons" / "data" / "mnist", FILES["mnist"])
    assert len(mnist()) == 20
    assert capsys.readouterr() == ("", "")


def test_sets_that_share_their_file_names_are_told_apart_by_content(room, capsys):
    put(room / "a", renamed("{}.gz".format, gzip.compress)(FILES["fashion-mnist"]))
    put(room / "b", FILES["mnist"])
    put(room / "c", FILES["kmnist"])
    for name in ("mnist", "fashion-mnist", "kmnist"):
        stored = np.frombuffer(FILES[name]["train-images-idx3-ubyte"][16:], np.uint8)
        assert np.array_equal(np.rint((image_set(name).images.ravel() + 1) * 127.5), stored)


PICTURES, LABELLED = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
IMAGES, LABELS = FILES["mnist"][PICTURES], FILES["mnist"][LABELLED]
NEAR: dict[str, tuple[dict[str, bytes], str]] = {
    "a web page": (
        {f"{PICTURES}.gz": b"\n<!DOCTYPE html><html>", LABELLED: LABELS},
        rf"{PICTURES}\.gz is a web page",
    ),
    "empty": ({f"mnist/{PICTURES}.gz": b"", LABELLED: LABELS}, rf"{PICTURES}\.gz is empty"),
    "cut": ({PICTURES: IMAGES[:-5], LABELLED: LABELS}, "ends after 15691 of 15696 bytes"),
    "longer": ({PICTURES: IMAGES + b"?", LABELLED: LABELS}, "more than 15696"),
    "packed and cut": (
        {f"{PICTURES}.gz": gzip.compress(IMAGES)[:-20], LABELLED: LABELS},
        "cannot be read",
    ),
    "one bit": ({PICTURES: IMAGES[:-1] + bytes([IMAGES[-1] ^ 1]), LABELLED: LABELS}, "checksum"),
    "another set": (FILES["fashion-mnist"], f"{PICTURES} holds {PICTURES} of fashion-mnist"),
    "another set in its place": (
        {f"mnist/{name}": data for name, data in FILES["kmnist"].items()},
        f"{PICTURES} holds {PICTURES} of kmnist",
    ),
    "another split": (
        {f"{PICTURES}.gz": FILES["mnist"]["t10k-images-idx3-ubyte"]},
        "shape .10, 28, 28.",
    ),
    "in a zip": (
        {"mnist.zip": zipped({PICTURES: IMAGES[:-5], LABELLED: LABELS})},
        rf"mnist\.zip: {PICTURES} ends after",
    ),
    "arrays": ({"mnist.npz": zipped({"x.npy": b"\x93NUMPY?", "y.npy": b"\x93NUMPY"})}, r"x\.npy"),
    "a pointer": (
        {f"{PICTURES}.gz": b"version https://git-lfs.github.com/spec/v1\noid "},
        "Git LFS",
    ),
    "another format": ({"mnist_train.csv": b"label,1x1,1x2"}, r"mnist_train\.csv does not start"),
    "7-Zip": ({"mnist.7z": b"7z\xbc\xaf\x27\x1c?"}, r"mnist\.7z is packed by 7-Zip"),
    "a broken archive": ({"archive.zip": zipped({"a": IMAGES})[:-30]}, r"archive\.zip cannot be"),
    "no zip": ({"mnist.zip": b"PK\3\4" + b"?" * 99}, r"mnist\.zip cannot be read"),
}


@pytest.mark.parametrize("what", NEAR)
def test_a_near_miss_is_named_with_what_is_wrong(what, room):
    files, says = NEAR[what]
    put(room, files)
    with pytest.raises(InputError, match=says) as caught:
        mnist()
    assert str(room) in str(caught.value) and "By hand" in str(caught.value)


def test_pickles_are_not_opened_and_other_batches_not_taken(room):
    python = {"cifar-10-batches-py/data_batch_1": b"\x80\x04cos\nsystem\n", "other": b"\x80\x04"}
    put(room, {"cifar-10-python.tar.gz": archive(python), "data_batch_2.bin": bytes(6146)})
    put(room, {"data_batch_3.bin": bytes(100)})
    with pytest.raises(InputError) as caught:
        DOWNLOADS["cifar-10"]()
    for says in ("is a pickle", "binary version", "data_batch_2.bin is damaged", "100 bytes"):
        assert says in str(caught.value)


def test_a_room_that_is_not_there_or_cannot_be_read_is_named(room, monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_LESSONS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere, which does not exist"):
        mnist()
    search = Search([Content("mnist", PICTURES, 5, "md5:00")], [])
    search._unread(PermissionError(13, "Permission denied", str(room)))
    assert search.misses == [f"{room} cannot be opened: Permission denied"]


def test_a_very_full_folder_is_not_searched_without_end(room, monkeypatch):
    put(room, {f"{number:02}/{number}": b"?" for number in range(30)} | {"99/last": IMAGES})
    monkeypatch.setattr("gan_lessons.images.finding.FILES", 20)
    with pytest.raises(InputError, match="only a part of it was looked at"):
        mnist()


def test_a_good_copy_beside_a_bad_one_is_taken(room, capsys):
    put(room / "a", {PICTURES: IMAGES[:-1], f"{LABELLED}.gz": b"<html>"})
    put(room / "b", {"other names": IMAGES, "do not matter": LABELS})
    assert len(mnist()) == 20
    said = capsys.readouterr().err
    assert "ends after" in said and "web page" in said


def test_addresses_and_checksums_are_whole(monkeypatch):
    monkeypatch.undo()
    for name in DOWNLOADS:
        files = published.sources(name)
        assert len(files) == (1 if name == "cifar-10" else 4)
        for file, source in files.items():
            assert source.name == f"{name}/{file}"
            assert len(source.urls) >= 2
            assert all(url.startswith("http") and url.endswith(f"/{file}") for url in source.urls)
            assert len(bytes.fromhex(source.sha256)) == 32 and source.bytes > 4000
        contents = published.known_contents(name)
        assert len({each.digest for each in contents}) == len(contents) >= 4
        for content in contents:
            kind, digits = content.digest.split(":")
            assert len(digits) == {"sha256": 64, "md5": 32, "git": 40}[kind]
            assert content.length == (
                30_730_000
                if name == "cifar-10"
                else (60_000 if "train" in content.name else 10_000)
                * (784 if "images" in content.name else 1)
                + (16 if "images" in content.name else 8)
            )


DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_real_set_as_debian_packs_it(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("GAN_LESSONS_DATA", str(DEBIAN.parent))
    test = DOWNLOADS["fashion-mnist"]("test")
    assert np.array_equal(np.bincount(test.labels), [1000] * 10)
    assert round((test.images.mean() + 1) / 2, 2) == 0.29
    monkeypatch.setenv("GAN_LESSONS_DATA", str(DEBIAN))
    monkeypatch.setattr(published, "download", lambda *_: (_ for _ in ()).throw(InputError("no")))
    with pytest.raises(InputError, match="holds t10k-images-idx3-ubyte of fashion-mnist"):
        mnist("test")


def test_what_is_loaded_without_being_asked_for_needs_no_net():
    assert not set(LOADERS) & set(DOWNLOADS)
