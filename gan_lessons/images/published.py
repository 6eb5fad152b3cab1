"""Published image sets, downloaded when first asked for: MNIST and its relatives, and CIFAR-10."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from gan_lessons.errors import check_choice, check_number
from gan_lessons.images.downloads import Source, fetch
from gan_lessons.images.formats import read_cifar, read_idx
from gan_lessons.images.sets import ImageSet

# Addresses of each set's files, and the meaning of the class labels from 0 on.
HOMES = {
    "mnist": (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    "fashion-mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    "kmnist": (
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
    "cifar-10": (
        "https://www.cs.toronto.edu/~kriz/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    ),
}
CLASS_NAMES = {
    "mnist": "0 1 2 3 4 5 6 7 8 9",
    "fashion-mnist": "T-shirt trouser pullover dress coat sandal shirt sneaker bag boot",
    "kmnist": "o ki su tsu na ha ma ya re wo",
    "cifar-10": "airplane automobile bird cat deer dog frog horse ship truck",
}

# Bytes and SHA-256 as TensorFlow Datasets publishes them (url_checksums/NAME.txt).
CHECKSUMS = {
    "mnist": """
train-images-idx3-ubyte.gz 9912422 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
train-labels-idx1-ubyte.gz 28881 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
t10k-images-idx3-ubyte.gz 1648877 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
t10k-labels-idx1-ubyte.gz 4542 f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6
""",
    "fashion-mnist": """
train-images-idx3-ubyte.gz 26421880 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84
train-labels-idx1-ubyte.gz 29515 a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845
t10k-images-idx3-ubyte.gz 4422102 346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073
t10k-labels-idx1-ubyte.gz 5148 67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5
""",
    "kmnist": """
train-images-idx3-ubyte.gz 18165135 51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4
train-labels-idx1-ubyte.gz 29497 e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17
t10k-images-idx3-ubyte.gz 3041136 edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5
t10k-labels-idx1-ubyte.gz 5120 20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c
""",
    "cifar-10": """
cifar-10-binary.tar.gz 170052171 c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd
""",
}


def mnist(split: str = "train", size: int = 28) -> ImageSet:
    """Handwritten digits, 60,000 to train and 10,000 to test, 28x28 grey, labels 0 to 9.

    Args:
        split: "train" or "test".
        size: 28, or what `ImageSet.resized` makes of it.

    Source: Y. LeCun, C. Cortes, C. Burges (1998), "The MNIST database of handwritten digits".
    Raises: InputError for another split or size, and as `fetch` if the files cannot be had.
    """
    return _load("mnist", split, size)


def fashion_mnist(split: str = "train", size: int = 28) -> ImageSet:
    """Pictures of clothes in MNIST's format: 60,000 and 10,000, 28x28 grey, ten kinds.

    Source: H. Xiao, K. Rasul, R. Vollgraf (2017), arXiv 1708.07747.
    Args, raises: as `mnist`.
    """
    return _load("fashion-mnist", split, size)


def kmnist(split: str = "train", size: int = 28) -> ImageSet:
    """Cursive Japanese characters in MNIST's format: 60,000 and 10,000, 28x28 grey, ten kinds.

    Source: T. Clanuwat et al. (2018), arXiv 1812.01718. "KMNIST Dataset" (created by CODH),
        adapted from "Kuzushiji Dataset" (NIJL and others), doi 10.20676/00000341; CC BY-SA 4.0.
    Args, raises: as `mnist`.
    """
    return _load("kmnist", split, size)


def cifar_10(split: str = "train", size: int = 32) -> ImageSet:
    """Photographs of ten kinds of things: 50,000 and 10,000, 32x32 in colour.

    Read from the binary version, so that nothing is unpickled. The training split takes 0.6 GB.

    Source: A. Krizhevsky (2009), "Learning multiple layers of features from tiny images".
    Args, raises: as `mnist`.
    """
    return _load("cifar-10", split, size)


DOWNLOADS: dict[str, Callable[..., ImageSet]] = {
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "kmnist": kmnist,
    "cifar-10": cifar_10,
}


def sources(name: str) -> dict[str, Source]:
    """The files of the set called `name` in DOWNLOADS, by file name."""
    rows = map(str.split, CHECKSUMS[name].strip().splitlines())
    return {
        file: Source(
            f"{name}/{file}", tuple(home + file for home in HOMES[name]), sha256, int(size)
        )
        for file, size, sha256 in rows
    }


def _load(name: str, split: str, size: int) -> ImageSet:
    check_choice("split", split, ("train", "test"))
    return _loaded(name, split, int(check_number("image size", size, 4, 512, integer=True)))


@lru_cache(maxsize=4)
def _loaded(name: str, split: str, size: int) -> ImageSet:
    images, labels = _read(name, split)
    kinds = tuple(CLASS_NAMES[name].split())
    return ImageSet(images, labels, f"{name} {split}", kinds).resized(size)


def _read(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one split, as they stand in its files."""
    files = sources(name)
    if name == "cifar-10":
        (archive,) = files.values()
        return read_cifar(fetch(archive), split)
    start = "train" if split == "train" else "t10k"
    names = (f"{start}-images-idx3-ubyte.gz", f"{start}-labels-idx1-ubyte.gz")
    images, labels = (read_idx(fetch(files[each])) for each in names)
    return images, labels
