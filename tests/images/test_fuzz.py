"""Noise and damaged files into every reader of images: a sentence, or a result that is sound."""

from __future__ import annotations

import bz2
import gzip
import io
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from gan_lessons.distributions import Empirical, Paired
from gan_lessons.errors import InputError
from gan_lessons.images import ImageSet, image_folder
from gan_lessons.images.finding import Content, Search
from gan_lessons.images.formats import read_cifar, read_idx
from gan_lessons.images.pictures import moves, read_image
from tests.mutations import mutations, random_bytes

resource = pytest.importorskip("resource")  # not on Windows
FEW, MANY = 300, 10_000
AMOUNTS = [FEW, pytest.param(MANY, marks=pytest.mark.long)]
GROWTH = 1 << 30  # bytes of memory that one reader may take at most, at its peak

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 20, 3)).astype(np.uint8)
IDX = struct.pack(">HBB3I", 0, 8, 3, 4, 5, 6) + RNG.bytes(120)
BATCH = RNG.bytes(2 * 3073)
DIGEST = "sha256:" + "0" * 64


def packed(data: bytes) -> list[bytes]:
    """`data` in each wrapping that is opened."""
    zipped, archive = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("train-images-idx3-ubyte", data)
        file.writestr("more/data_batch_1.bin.gz", gzip.compress(data))
    for kind in ("w:gz", "w"):
        with tarfile.open(fileobj=archive, mode=cast(Any, kind), format=tarfile.PAX_FORMAT) as file:
            info = tarfile.TarInfo("cifar-10-batches-bin/données_batch_1.bin")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    whole = archive.getvalue()
    twice = gzip.compress(gzip.compress(data))
    return [data, gzip.compress(data), bz2.compress(data), twice, zipped.getvalue(), whole]


def pictures() -> list[bytes]:
    """The same small picture in every format that is read, and some that move."""
    images = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    files = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "JPEG2000", "AVIF"):
        options: list[dict[str, Any]] = [{}]
        if kind in ("GIF", "TIFF", "WEBP", "PNG"):
            options += [{"save_all": True, "append_images": images[1:]}]
        if kind == "TIFF":
            options += [{"compression": name} for name in ("tiff_lzw", "tiff_deflate", "jpeg")]
        for each in options:
            file = io.BytesIO()
            images[0].save(file, kind, **each)
            files.append(file.getvalue())
    return files


def damaged(amount: int, good: list[bytes], seed: int) -> Iterator[bytes]:
    """Noise, and each of the good files damaged, in turn."""
    rng = np.random.default_rng(seed)
    for place in range(amount):
        alone = place % 10 == 0
        yield random_bytes(rng) if alone else mutations(rng, good[place % len(good)])


def tried(read: Callable[..., Any], *given: Any, says: str = " ") -> Any:
    """What `read` makes of it, or None if it refuses it in a sentence that `says` this."""
    try:
        return read(*given)
    except InputError as error:
        refusal = str(error)
    assert says in refusal and len(refusal) > 8
    return None


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing is unpickled, nothing is written but by the test, and memory stays in bounds."""

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert not list(elsewhere.iterdir())
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < GROWTH


@pytest.mark.parametrize("amount", AMOUNTS)
def test_damaged_idx_files(amount, tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    read = 0
    for data in damaged(amount, packed(IDX), 1):
        path.write_bytes(data)
        read += tried(read_idx, path, says="cannot be read") is not None
        inside = tried(read_idx, data, says="cannot be read")
        assert inside is None or inside.nbytes < len(data)
    assert read < amount / 2  # or nothing was damaged
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [path.name]


@pytest.mark.parametrize("amount", AMOUNTS)
def test_damaged_published_files(amount, tmp_path):
    """Whatever lies in the folder: no content with a wrong checksum is taken for the right one."""
    wanted = [
        Content("mnist", "train-images-idx3-ubyte", len(IDX), DIGEST),
        Content("cifar-10", "data_batch_1.bin", len(BATCH), DIGEST),
    ]
    folder = tmp_path / "room"
    folder.mkdir()
    good = packed(IDX) + packed(BATCH)
    for place, data in enumerate(damaged(amount, good, 2)):
        (folder / ["mnist.zip", "data_batch_1.bin", "other"][place % 3]).write_bytes(data)
        search = Search(wanted, wanted)
        search.look_in(folder)
        assert not search.found
        assert all(str(folder) in miss for miss in search.misses)


@pytest.mark.parametrize("amount", AMOUNTS)
def test_damaged_batches(amount):
    for data in damaged(amount, [BATCH], 3):
        if (read := tried(read_cifar, [data, BATCH], says="3073")) is not None:
            images, labels = read
            assert images.shape == (len(labels), 32, 32, 3)


@pytest.mark.parametrize("amount", AMOUNTS)
def test_damaged_pictures(amount, tmp_path):
    path = tmp_path / "picture"
    read = 0
    for data in damaged(amount, pictures(), 4):
        path.write_bytes(data)
        moves(path)
        if (image := tried(read_image, path, 8)) is not None:
            assert image.shape == (8, 8, 3) and image.dtype == np.uint8
            read += 1
    assert 0 < read < amount


@pytest.mark.parametrize("amount", AMOUNTS)
def test_folders_of_damaged_pictures(amount, tmp_path, capsys):
    good = pictures()
    rng = np.random.default_rng(5)
    for start in range(0, amount, 100):
        folder = tmp_path / str(start)
        for place, data in enumerate(damaged(100, good, start)):
            inside = folder / ["", "a", "b", "a/b", ".c"][rng.integers(0, 5)]
            inside.mkdir(parents=True, exist_ok=True)
            (inside / f"{place}.png").write_bytes(data)
        (folder / "good.png").write_bytes(good[0])
        (folder / "other.png").write_bytes(good[1])
        images = image_folder(folder, 8)
        hidden = len(list(folder.glob(".c/*")))
        assert len(images) + len(images.skipped) == 102 - max(0, hidden - 1)
        assert "skipped" in capsys.readouterr().out


def strange(rng: np.random.Generator) -> Any:
    """An array of any type and shape, or something that is none."""
    shape = tuple(rng.integers(0, 6, rng.integers(0, 6)).tolist())
    kinds = [*"?bBhHiIqQefdgFDO", "U3", "S3", "M8[s]", "m8[s]"]
    data = rng.bytes(int(np.prod(shape, dtype=int)))
    values = np.frombuffer(data, np.uint8).reshape(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array: Any = values.astype(kinds[rng.integers(0, len(kinds))])
    match rng.integers(0, 8):
        case 0:
            return np.ma.array(array, mask=values > 100)
        case 1:
            return array.tolist()
        case 2:
            return list(array) if array.ndim else [array, None]
        case 3 if array.dtype.kind == "f":
            return array * array.dtype.type(rng.choice([np.nan, np.inf, 300, -1 / 255]))
        case 4:
            return rng.choice(np.array([None, "picture", b"picture", 1.5, {}], object))
    return array


@pytest.mark.parametrize("amount", AMOUNTS)
def test_strange_arrays(amount, capsys):
    rng = np.random.default_rng(6)
    taken = 0
    for place in range(amount):
        with np.errstate(all="ignore"):
            given, labels = strange(rng), None if place % 2 else strange(rng)
        if (images := tried(ImageSet, given, labels, "strange")) is not None:
            assert images.images.dtype == np.float32 and len(images) >= 2
            assert images.images.min() >= -1 and images.images.max() <= 1
            taken += 1
        for data in (tried(Empirical, given), tried(Paired, np.eye(3), given, None, "numbers")):
            if data is not None:
                assert np.isfinite(data.points).all() and data.points.shape[1] == data.dim
                taken += 1
    assert 0 < taken < amount
