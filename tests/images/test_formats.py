"""The file formats of published sets, and what may be packed around them."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from gan_lessons.errors import InputError
from gan_lessons.images import formats, wrappings


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def archive(files: dict[str, bytes], kind: Any = "w:gz") -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode=kind) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return whole.getvalue()


@settings(deadline=None, max_examples=50)
@given(array=arrays.arrays(np.uint8, arrays.array_shapes(max_dims=4, max_side=5)))
def test_idx_data_come_back(array, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "a.gz"
    for data in (gzip.compress(idx(array), 1), idx(array)):
        path.write_bytes(data)
        assert np.array_equal(formats.read_idx(path), array)
    assert np.array_equal(formats.read_idx(idx(array)), array)


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
    "an empty archive": archive({}),
}


def test_what_is_no_idx_file_is_refused(tmp_path):
    for data in NO_IDX.values():
        (tmp_path / "a.gz").write_bytes(data)
        with pytest.raises(InputError, match=r"a\.gz cannot be read"):
            formats.read_idx(tmp_path / "a.gz")


RECORDS = np.random.default_rng(0).integers(0, 256, (2, 2, 3073)).astype(np.uint8)


def test_cifar_batches_come_in_order_with_channels_last():
    images, labels = formats.read_cifar([RECORDS[0].tobytes(), RECORDS[1].tobytes()])
    records = RECORDS.reshape(4, 3073)
    assert np.array_equal(labels, records[:, 0])
    assert images.shape == (4, 32, 32, 3)
    assert np.array_equal(images[3, 3, 7], records[3, 1 + 3 * 32 + 7 :: 1024])
    for bad in ([], [b"?"], [RECORDS[0].tobytes(), b"?"]):
        with pytest.raises(InputError, match="3073"):
            formats.read_cifar(bad)


def test_what_would_unpack_to_too_much_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.gz"
    for limit in ("LARGEST", "WORK"):
        with monkeypatch.context() as patch:
            patch.setattr(wrappings, limit, 2000)
            for data in (gzip.compress(bytes(5000)), archive({"a": bytes(5000)})):
                path.write_bytes(data)
                with pytest.raises(InputError, match="cannot be read"):
                    wrappings.content(path, 10**6)
    path.write_bytes(gzip.compress(bytes(50)))
    with pytest.raises(InputError, match="more than 20 bytes"):
        wrappings.content(path, 20)
