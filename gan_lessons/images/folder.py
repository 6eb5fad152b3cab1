"""The user's own pictures: a folder of image files, read with Pillow."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from gan_lessons.errors import InputError, check_number
from gan_lessons.images.checks import DARK
from gan_lessons.images.pictures import moves, read_image
from gan_lessons.images.sets import ImageSet
from gan_lessons.images.tree import NAMED, Tree, classes, printable

MEMORY = 1 << 30  # bytes of float32 that a folder may become


@dataclass(frozen=True, eq=False)
class FolderSet(ImageSet):
    """An `ImageSet` read from files.

    Attributes:
        files: paths of the images below the folder, in the order of `images`.
        skipped: one text "PATH: REASON" for each file or folder that was left out.
    """

    files: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def image_folder(path: str | os.PathLike[str], size: int = 64, colour: bool = True) -> FolderSet:
    """The images in a folder and its subfolders, cut to size x size pixels.

    Each image is turned upright as its EXIF data say, laid on white if it is transparent, cropped
    to the square in its middle, and resized without aliasing. Palettes, CMYK and 16 bits are
    converted to 8-bit RGB or grey; of an animation the first picture is taken. The content of a
    file decides, not its name. Links are followed, each folder once. What the system leaves in
    folders (such as .DS_Store) is ignored. Anything else that is left out, and why, is printed and
    kept in `skipped`; a bad file does not stop the others.

    If every image lies in a subfolder, and there are at least two of them, the subfolders are the
    classes, in alphabetical order, and are printed with their counts. A folder around all of them
    does not count. Where images lie beside such folders there are no labels, which is said, as are
    animations, images that occur twice, and sets that are nearly black.

    Args:
        path: the folder.
        size: height and width in pixels, 4 to 512.
        colour: [n, size, size, 3] if true, else [n, size, size] in grey (ITU-R 601 luma).

    Raises: InputError if there is no such folder, if fewer than two images can be read, if all are
        the same, if they would take more than 1 GiB of memory, and if the folders are not classes
        but the parts of a split set, such as train and test.
    """
    size = int(check_number("image size", size, 4, 512, integer=True))
    tree = Tree(_folder(path))
    need = len(tree.files) * size * size * (3 if colour else 1) * 4
    if need > MEMORY:
        raise InputError(
            f"{len(tree.files)} files at {size}x{size} would take {need / MEMORY:.1f} GiB; choose "
            "a smaller size, colour=False, or a folder of fewer images"
        )
    images, moving, skipped = _read_all(tree, size, colour)
    labels, kinds, notes = classes(list(images), list(tree.folders))
    left_out = tuple(sorted(tree.left_out + skipped))
    pixels = np.stack(list(images.values())) if images else np.zeros((0, size, size), np.uint8)
    notes += [*_some(moving, "of {} animations the first picture was taken"), *_twice(images)]
    notes += _some(left_out, "skipped {}")
    if len(images) < 2:
        found = "only one image" if images else "no image"
        raise InputError(
            f"{found} in {tree.root} could be read, and at least two are needed"
            f"{''.join(f'; {note}' for note in notes)}; put PNG or JPEG files there"
        )
    values = pixels
    if pixels.max() < DARK:
        notes += [f"the brightest pixel of all is {pixels.max()} of 255, so they are nearly black"]
        values = pixels / np.float32(127.5) - 1
    if notes:
        print(f"{printable(tree.root)}: read {len(images)} images; {'; '.join(notes)}")
    name = printable(tree.root.resolve().name)
    return FolderSet(values, labels, name, kinds, tuple(images), left_out)


def _folder(path: str | os.PathLike[str]) -> Path:
    """`path` as a folder that is there, or InputError."""
    try:
        folder = Path(os.path.expanduser(path))  # type: ignore[arg-type]
        what = "is a file, not a folder" if os.path.exists(folder) else "does not exist"
        if os.path.isdir(folder):
            return folder
    except (TypeError, ValueError):
        raise InputError(f"{path!r} is not the path of a folder of images") from None
    packed = folder.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
    first = "unpack it and " if packed else ""
    raise InputError(f"{printable(folder)} {what}; {first}give the folder that holds your images")


def _read_all(
    tree: Tree, size: int, colour: bool
) -> tuple[dict[str, UInt8[np.ndarray, "size size *c"]], list[str], list[str]]:
    """Images by file name, the names of those that move, and what could not be read."""
    images: dict[str, np.ndarray] = {}
    moving: list[str] = []
    skipped: list[str] = []
    for name in tree.files:
        try:
            images[name] = read_image(tree.root / name, size, colour)
            moving += [printable(name)] * moves(tree.root / name)
        except InputError as error:
            skipped.append(f"{printable(name)}: {error}")
    return images, moving, skipped


def _some(names: list[str] | tuple[str, ...], what: str) -> list[str]:
    """`what` with the number of names, and the first of them; nothing if there is none."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return [f"{what.format(len(names))}: {', '.join(names[:NAMED])}{more}"] if names else []


def _twice(images: dict[str, np.ndarray]) -> list[str]:
    """A note about images that are the same as an earlier one."""
    first: dict[bytes, str] = {}
    twice = []
    for name, image in images.items():
        same = first.setdefault(image.tobytes(), name)
        twice += [f"{printable(name)} = {printable(same)}"] * (same != name)
    return _some(twice, "{} occur again")
