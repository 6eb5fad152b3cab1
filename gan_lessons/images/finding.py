"""Published files that somebody has put into a folder, found by what is in them.

A teacher without a network copies files by hand: flat or in folders of their own, packed, unpacked
or packed anew, renamed by a browser, as another library left them. All of that is fine as long as
the content is right, which its checksum tells. What only looks right is named, with what is wrong.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gan_lessons.images.formats import idx_length, idx_shape
from gan_lessons.images.wrappings import ERRORS, Stream, contents

FILES = 10_000  # that are looked at in one folder and its subfolders
DEEPEST = 8  # folders below it
PACKED = (".zip", ".gz", ".tgz", ".tar", ".bz2")
UNOPENED = {
    b"\xfd7zXZ\0": "xz",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x1f\x9d": "compress",
}


@dataclass(frozen=True)
class Content:
    """What a published file holds once it is unpacked.

    Attributes:
        set: which set it belongs to, such as "mnist".
        name: of the file, without the endings of packers: "train-images-idx3-ubyte".
        length: in bytes.
        digest: kind and hexadecimal digits of its checksum: "sha256:...", "md5:...", or "git:...",
            the name that Git gives it (SHA-1 of "blob LENGTH", a zero byte and the content).
    """

    set: str
    name: str
    length: int
    digest: str

    def __str__(self) -> str:
        return f"{self.name} of {self.set}"

    def is_in(self, data: bytes) -> bool:
        """Whether `data` are this content, by length and checksum."""
        if len(data) != self.length:
            return False
        kind, _, digits = self.digest.partition(":")
        made = hashlib.new("sha1" if kind == "git" else kind, usedforsecurity=False)
        if kind == "git":
            made.update(b"blob %d\0" % len(data))
        made.update(data)
        return made.hexdigest() == digits


@dataclass
class Search:
    """Looks for the `wanted` contents in files; `known` are those that they could be mistaken for.

    Attributes:
        found: the contents that were found, by name.
        misses: "PATH: what is wrong" for each file that looks like one of them and is not.
    """

    wanted: Sequence[Content]
    known: Sequence[Content]
    found: dict[str, bytes] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[Content]:
        return [each for each in self.wanted if each.name not in self.found]

    def look_in(self, folder: Path) -> None:
        """Look at every file of a folder and its subfolders, those first that fit by their name."""
        if not os.path.exists(folder):
            return
        for path in sorted(self._files(folder), key=lambda path: not self._likely(path.name)):
            if not self.missing:
                return
            self.look_at(path, str(path.relative_to(folder)))

    def look_at(self, path: Path, below: str = "") -> None:
        """Look at one file, called `below` in the folder that is searched, and all packed in it."""
        judged: list[tuple[str, str | None]] = []
        fault = ""
        try:
            for name, stream in contents(path):
                judged.append((name, self._judge(name, stream, _key(below))))
                if not self.missing:
                    return
        except ERRORS as error:
            fault = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        likely = self._likely(path.name)
        if fault and (likely or path.suffix.lower() in PACKED):
            self.misses.append(f"{path} {fault}")
        elif len(judged) == 1 and judged[0][1] and (likely or self._likely(judged[0][0])):
            self.misses.append(f"{path} {judged[0][1]}")
        elif len(judged) > 1:
            wrong = [f"{name} {why}" for name, why in judged if why and self._likely(name)]
            self.misses.extend(f"{path}: {each}" for each in wrong)
            if likely and not wrong and all(why for _, why in judged):
                names = ", ".join(name for name, _ in judged[:4])
                self.misses.append(f"{path} holds {names}, and none of them is wanted")

    def _judge(self, name: str, stream: Stream, where: str) -> str | None:
        """Take what is wanted, or say what is wrong with `stream`."""
        shape = idx_shape(stream.head)
        if shape is not None:
            length = idx_length(shape)
            whole = [each for each in self.missing if each.length == length]
            if not whole:
                same = [f", like {each}" for each in self.known if each.length == length][:1]
                return f"claims to hold an array of shape {shape}{''.join(same)}"
        else:
            whole = [each for each in self.missing if not each.name.endswith("ubyte")]
            if other := _other(stream.head):
                return other
            if not whole or not (stream.size or self._likely(name)):
                return "does not start as the published file does"
            if stream.size not in (None, whole[0].length):
                return f"has {stream.size} bytes instead of {whole[0].length}"
        data = stream.read(whole[0].length + 1)
        for each in whole:
            if each.is_in(data):
                self.found[each.name] = data
                return None
        for twin in self.known:
            if twin.is_in(data):
                # In a folder of that set's name it is where it should be.
                named = [each.set for each in self.known if _key(each.set) in where]
                return None if twin.set == max(named, key=len, default="") else f"holds {twin}"
        if len(data) < whole[0].length:
            return f"ends after {len(data)} of {whole[0].length} bytes"
        if len(data) > whole[0].length:
            return f"holds more than {whole[0].length} bytes"
        return "is damaged or of another set: the checksum of its content is wrong"

    def _likely(self, name: str) -> bool:
        """Whether a file is called like something that is missing, as far as that can be told."""
        key = _key(name)
        return any(_key(each.set) in key or _stem(each.name) in key for each in self.missing)

    def _files(self, folder: Path) -> list[Path]:
        """About FILES files in `folder`, or itself; each folder once, through links or not."""
        if os.path.isfile(folder):
            return [folder]
        files: list[Path] = []
        seen = set()
        for where, folders, names in os.walk(folder, onerror=self._unread, followlinks=True):
            here = os.path.realpath(where)
            if here in seen or len(Path(where).relative_to(folder).parts) > DEEPEST:
                folders.clear()
                continue
            seen.add(here)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            paths = (os.path.join(where, name) for name in sorted(names) if name[0] != ".")
            files.extend(Path(path) for path in paths if os.path.isfile(path))
            if max(len(files), len(seen)) >= FILES:
                self.misses.append(f"{folder}: only a part of it was looked at, as it is very full")
                return files
        return files

    def _unread(self, error: OSError) -> None:
        self.misses.append(f"{error.filename} cannot be opened: {error.strerror}")


def _stem(name: str) -> str:
    """What is left of a name where people and browsers change it: "trainimages", "databatch1"."""
    return _key(name.partition("-idx")[0].partition(".")[0])


def _key(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.lower())


def _other(head: bytes) -> str | None:
    """What a file is that starts like this, if it is something that often lies there instead."""
    start = head[:100].lstrip().lower()
    if not head:
        return "is empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "is a web page, not the file"
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the file itself"
    if head.startswith((b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5")):
        return "is a pickle, which could run anything and is not opened; take the binary version"
    for sign, packer in UNOPENED.items():
        if head.startswith(sign):
            return f"is packed by {packer}, which is not opened here; unpack it"
    if head.startswith(b"\x93NUMPY"):
        return "is a NumPy array, and not a file as it was published"
    return None
