"""One picture from a file of the user's, read with Pillow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from gan_lessons.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

# Formats of photographs and drawings. Pillow knows more, but some of them start other programs.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "ICO")


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


def moves(path: Path) -> bool:
    """Whether a file that can be read holds further pictures, as animations and scans do."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=_formats()) as image:
                image.seek(1)
                return image.format != "MPO"  # the second picture of a camera is a preview
        except Exception:  # there is no second, or it is damaged
            return False


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
