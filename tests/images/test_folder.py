"""The user's own folder of images, good files and bad."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_lessons.errors import InputError
from gan_lessons.images import FolderSet, ImageSet, image_folder
from gan_lessons.images.folder import read_image

RED, GREEN = (255, 0, 0), (0, 255, 0)


def halves(left: Any, right: Any, mode: str = "RGB", size: tuple[int, int] = (40, 40)) -> Any:
    """A picture with two colours side by side."""
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two good pictures, a.png (red, green) and b.jpg (black, white)."""
    halves(RED, GREEN).save(tmp_path / "a.png")
    halves(0, 255, "L").save(tmp_path / "b.jpg")
    return tmp_path


def sides(image: np.ndarray) -> tuple[Any, Any]:
    """The colours in the middle of the left and of the right half, -1 to 1."""
    middle = len(image) // 2
    return image[middle, middle // 2].tolist(), image[middle, middle + middle // 2].tolist()


def test_a_folder_becomes_a_set_in_colour_or_grey(folder):
    colour, grey = image_folder(folder, 16), image_folder(str(folder), 16, colour=False)
    assert isinstance(colour, ImageSet) and isinstance(colour, FolderSet)
    assert colour.shape == (16, 16, 3) and grey.shape == (16, 16)
    assert colour.files == grey.files == ("a.png", "b.jpg")
    assert colour.skipped == () and colour.labels is None and colour.name == folder.name
    assert sides(colour.images[0]) == ([1, -1, -1], [-1, 1, -1])
    np.testing.assert_allclose(sides(grey.images[0]), [0.299 * 2 - 1, 0.587 * 2 - 1], atol=0.01)
    np.testing.assert_allclose(sides(grey.images[1]), [-1, 1], atol=0.05)


def test_the_square_in_the_middle_is_cut_out(folder):
    wide = Image.new("RGB", (90, 30), (0, 0, 255))
    wide.paste(halves(RED, GREEN, size=(30, 30)), (30, 0))
    wide.save(folder / "wide.png")
    wide.transpose(Image.Transpose.ROTATE_270).save(folder / "tall.png")
    images = image_folder(folder, 10)
    by_name = dict(zip(images.files, images.images, strict=True))
    for image in (by_name["wide.png"], by_name["tall.png"].transpose(1, 0, 2)):
        np.testing.assert_allclose(sides(image), [(1, -1, -1), (-1, 1, -1)], atol=0.05)


def test_made_smaller_fine_stripes_turn_grey(folder):
    stripes = np.tile(np.where(np.arange(512) % 2, 255, 0).astype(np.uint8), (512, 1))
    Image.fromarray(stripes).save(folder / "stripes.png")
    image = image_folder(folder, 16, colour=False).images[2]
    assert np.abs(image).max() < 0.1


def saved(image: Any, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def sixteen_bits(left: int, right: int) -> Any:
    return Image.fromarray(np.repeat([[left, right]], 20, axis=1).repeat(40, axis=0).astype("<u2"))


def turned() -> bytes:
    """Green above red in the file, and EXIF says that the top is the right-hand side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(halves(RED, GREEN).transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)


def palette(transparent: bool) -> bytes:
    options = {"transparency": 0} if transparent else {}
    image = halves(0, 1, "P")
    image.putpalette([*RED, *GREEN])
    return saved(image, **options)


WHITE = (1, 1, 1)
KINDS = {
    "grey": (saved(halves(0, 255, "L")), (-1, -1, -1), WHITE),
    "black and white": (saved(halves(0, 1, "1")), (-1, -1, -1), WHITE),
    "16 bits": (saved(sixteen_bits(0, 65535)), (-1, -1, -1), WHITE),
    "16 bits, dark": (saved(sixteen_bits(0, 257 * 51)), (-1, -1, -1), (-0.6, -0.6, -0.6)),
    "palette": (palette(False), (1, -1, -1), (-1, 1, -1)),
    "palette with a hole": (palette(True), WHITE, (-1, 1, -1)),
    "alpha": (saved(halves((*RED, 0), (*GREEN, 255), "RGBA")), WHITE, (-1, 1, -1)),
    "half alpha": (saved(halves((0, 0, 0, 51), (*GREEN, 255), "RGBA")), (0.6,) * 3, (-1, 1, -1)),
    "grey alpha": (saved(halves((0, 0), (0, 255), "LA")), WHITE, (-1, -1, -1)),
    "animation": (
        saved(halves(RED, GREEN), "GIF", save_all=True, append_images=[halves(GREEN, RED)]),
        (1, -1, -1),
        (-1, 1, -1),
    ),
    "CMYK": (
        saved(halves((0, 255, 255, 0), (255, 0, 255, 0), "CMYK"), "TIFF"),
        (1, -1, -1),
        (-1, 1, -1),
    ),
    "turned": (turned(), (1, -1, -1), (-1, 1, -1)),
    "BMP": (saved(halves(RED, GREEN), "BMP"), (1, -1, -1), (-1, 1, -1)),
}


def test_every_kind_of_image_becomes_eight_bit_rgb(tmp_path):
    for kind, (data, _, _) in KINDS.items():
        (tmp_path / kind).write_bytes(data)  # the content decides, not the name
    images = image_folder(tmp_path, 16)
    assert images.skipped == () and set(images.files) == set(KINDS)
    for kind, image in zip(images.files, images.images, strict=True):
        np.testing.assert_allclose(sides(image), KINDS[kind][1:], atol=0.02, err_msg=kind)


def bomb() -> bytes:
    """A PNG header that promises 400 million pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT"


def floats() -> bytes:
    return saved(Image.fromarray(np.linspace(0, 7, 1600, dtype=np.float32).reshape(40, 40)), "TIFF")


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8))
BAD = {
    "notes.txt": b"shopping list",
    "empty.png": b"",
    "half.png": saved(NOISE)[:5000],
    "half.jpg": saved(NOISE, "JPEG")[:1500],
    "broken.png": saved(NOISE)[:60] + b"\0\0\0\0" + saved(NOISE)[64:],
    "bomb.png": bomb(),
    "floats.tif": floats(),
    "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "drawing.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n",
}


def test_bad_files_are_skipped_by_name(folder, capsys):
    for name, data in BAD.items():
        (folder / name).write_bytes(data)
    images = image_folder(folder, 16)
    assert images.files == ("a.png", "b.jpg")
    assert [text.partition(": ")[0] for text in images.skipped] == sorted(BAD)
    said = capsys.readouterr().out
    assert all(text in said and len(text.partition(": ")[2]) > 3 for text in images.skipped)


def test_folders_that_give_no_set_say_why(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    cases = [
        (empty, "no image"),
        (empty / "nowhere", "does not exist"),
        (folder / "a.png", "not a folder"),
    ]
    (empty / "notes.txt").write_text("hello")
    for path, says in cases:
        with pytest.raises(InputError, match=says):
            image_folder(path)
    with pytest.raises(InputError, match=r"skipped 1: notes\.txt"):
        image_folder(empty)
    for path in (None, 5, b"\0", "a\0b", "x" * 5000, "~nobody-of-this-name/x"):
        with pytest.raises(InputError):
            image_folder(path)
    (folder / "b.jpg").unlink()
    with pytest.raises(InputError, match="only one image"):
        image_folder(folder)
    (folder / "copy.png").write_bytes((folder / "a.png").read_bytes())
    with pytest.raises(InputError, match="the same"):
        image_folder(folder)


def test_strange_sizes_and_too_much_memory_are_refused(folder, monkeypatch):
    for size in (2, 1000, 8.5, "16", None):
        with pytest.raises(InputError, match="image size"):
            image_folder(folder, size)
    monkeypatch.setattr("gan_lessons.images.folder.MEMORY", 20_000)
    with pytest.raises(InputError, match="smaller size"):
        image_folder(folder, 64)
    assert len(image_folder(folder, 16)) == 2


def test_large_photographs_are_read_at_once(folder):
    image = halves(RED, GREEN, size=(3000, 2000))
    image.save(folder / "photo.jpg")
    read = read_image(folder / "photo.jpg", 32)
    assert read.shape == (32, 32, 3) and read.dtype == np.uint8
    np.testing.assert_allclose(sides(read), [RED, GREEN], atol=6)
