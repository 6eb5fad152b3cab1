"""The user's own pictures: a folder of image files, read with Pillow."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from gan_lessons.errors import InputError, check_number
from gan_lessons.images.sets import ImageSet

if TYPE_CHECKING:
    from PIL.Image import Image

# Formats of photographs and drawings. Pillow knows more, but some of them start other programs.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "ICO")
MEMORY = 1 << 30  # bytes of float32 that a folder may become


@dataclass(frozen=True, eq=False)
class FolderSet(ImageSet):
    """An `ImageSet` read from files.

    Attributes:
        files: paths of the images below the folder, in the order of `images`.
        skipped: one text "PATH: REASON" for each file that could not be read.
    """

    files: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def image_folder(path: str | os.PathLike[str], size: int = 64, colour: bool = True) -> FolderSet:
    """The images in a folder and its subfolders, cut to size x size pixels.

    Each image is turned upright as its EXIF data say, laid on white if it is transparent, cropped
    to the square in its middle, and resized without aliasing. Palettes, CMYK and 16 bits are
    converted to 8-bit RGB or grey; of an animation the first picture is taken. Hidden files are
    ignored, and a bad file does not stop the others: what was skipped, and why, is printed and
    kept in `skipped`.

    If every image lies in a subfolder, and there are at least two of them, the subfolders are the
    classes, in alphabetical order.

    Args:
        path: the folder.
        size: height and width in pixels, 4 to 512.
        colour: [n, size, size, 3] if true, else [n, size, size] in grey (ITU-R 601 luma).

    Raises: InputError if there is no such folder, if fewer than two images can be read, if all are
        the same, and if they would take more than 1 GiB of memory.
    """
    size = int(check_number("image size", size, 4, 512, integer=True))
    folder = Path(path).expanduser()
    names = list(_names(folder))
    need = len(names) * size * size * (3 if colour else 1) * 4
    if need > MEMORY:
        raise InputError(
            f"{len(names)} files at {size}x{size} would take {need / MEMORY:.1f} GiB; choose a "
            "smaller size, colour=False, or a folder of fewer images"
        )
    images, skipped = _read_all(folder, names, size, colour)
    _report(folder, images, skipped)
    labels, kinds = _subfolders(list(images))
    pixels = np.stack(list(images.values()))
    return FolderSet(pixels, labels, folder.resolve().name, kinds, tuple(images), skipped)


def _names(folder: Path) -> Iterator[str]:
    """Paths below `folder` of all files that are not hidden, in alphabetical order."""
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}; give the folder that holds your images")
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in sorted(files):
            if not name.startswith(".") and (Path(where) / name).is_file():
                yield (Path(where) / name).relative_to(folder).as_posix()


def _read_all(
    folder: Path, names: list[str], size: int, colour: bool
) -> tuple[dict[str, UInt8[np.ndarray, "size size *c"]], tuple[str, ...]]:
    images, skipped = {}, []
    for name in names:
        try:
            images[name] = read_image(folder / name, size, colour)
        except InputError as error:
            skipped.append(f"{name}: {error}")
    return images, tuple(skipped)


def read_image(path: Path, size: int, colour: bool = True) -> UInt8[np.ndarray, "size size *c"]:
    """One file as uint8 [size, size, 3], or [size, size] in grey; see `image_folder`.

    Raises: InputError for a file that is not an image, is damaged, or exceeds Pillow's limit
        against decompression bombs (about 90 million pixels).
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=_formats()) as image:
                image.draft(None, (2 * size, 2 * size))  # lets large JPEG files load faster
                upright = ImageOps.exif_transpose(image)
                plain = _plain(upright).convert("RGB" if colour else "L")
                return np.asarray(ImageOps.fit(plain, (size, size), Image.Resampling.LANCZOS))
        except UnidentifiedImageError:
            raise InputError("not an image in a known format") from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
            raise InputError("too many pixels") from None
        except Exception as error:  # a damaged file can raise anything
            raise InputError(f"damaged ({error})") from None


def _formats() -> list[str]:
    from PIL import Image

    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _plain(image: Image) -> Image:
    """`image` in 8 bits per channel and without transparency."""
    from PIL import Image as pillow

    if image.mode.startswith(("I", "F")):
        return pillow.fromarray(_eight_bits(np.asarray(image), image.mode))
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return pillow.alpha_composite(pillow.new("RGBA", image.size, "white"), image)


def _eight_bits(pixels: np.ndarray, mode: str) -> UInt8[np.ndarray, "h w"]:
    top = 65535 if mode != "I" or pixels.max() > 255 else 255
    if pixels.dtype.kind == "f" or pixels.min() < 0 or pixels.max() > 65535:
        raise ValueError("pixels of unknown range, neither 8 nor 16 bits")
    return np.rint(pixels * (255 / top)).astype(np.uint8)


def _report(folder: Path, images: dict[str, Any], skipped: tuple[str, ...]) -> None:
    left = f"; skipped {len(skipped)}: {', '.join(skipped[:20])}" if skipped else ""
    more = f" and {len(skipped) - 20} more" if len(skipped) > 20 else ""
    if len(images) < 2:
        found = "only one image" if images else "no image"
        raise InputError(
            f"{found} in {folder} could be read, and at least two are needed{left}{more}; put "
            "PNG or JPEG files there"
        )
    if skipped:
        print(f"{folder}: read {len(images)} images{left}{more}")


def _subfolders(names: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Label of each file by its topmost subfolder, and the names; None and () without classes."""
    tops = [name.split("/")[0] if "/" in name else "" for name in names]
    kinds, labels = np.unique(tops, return_inverse=True)
    if len(kinds) < 2 or "" in tops:
        return None, ()
    return labels, tuple(kinds.tolist())
