"""Published image sets, downloaded when first asked for: MNIST and its relatives, and CIFAR-10."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from gan_lessons.errors import InputError, check_choice, check_number
from gan_lessons.images.downloads import Source, cache_folder, classroom_folder, download, say
from gan_lessons.images.finding import Content, Search
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


# Length and checksum of what is in those files: see `finding.Content`. MNIST's stand in many public
# repositories (mygrad's CMake files and others, found twice in agreement). Fashion-MNIST's were
# computed from Debian's package dataset-fashion-mnist, and agree with published ones. KMNIST's were
# computed from copies of the files above whose SHA-256 was right, except that of the training
# images: that is Git's name of the unpacked file in two unrelated repositories, whose other three
# files are those. CIFAR-10's are MD5 sums that a Go and three CMake projects publish alike. MD5 and
# SHA-1 are no longer safe from two files made to agree; no way is known to make one that agrees
# with a given file.
CONTENTS = {
    "mnist": """
train-images-idx3-ubyte 47040016 \
    sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
train-labels-idx1-ubyte 60008 \
    sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
t10k-images-idx3-ubyte 7840016 \
    sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
t10k-labels-idx1-ubyte 10008 \
    sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2
""",
    "fashion-mnist": """
train-images-idx3-ubyte 47040016 \
    sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888
train-labels-idx1-ubyte 60008 \
    sha256:bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9
t10k-images-idx3-ubyte 7840016 \
    sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b
t10k-labels-idx1-ubyte 10008 \
    sha256:0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34
""",
    "kmnist": """
train-images-idx3-ubyte 47040016 git:3cf037df1ccd08cf71c7e9465ca6bc729e79a251
train-labels-idx1-ubyte 60008 \
    sha256:2a16eeae62da984b8bd24fa32e31d47291f01dac3fe84d5594f304f71e7d374b
t10k-images-idx3-ubyte 7840016 \
    sha256:76fbd229ce87db80dd281af5e6670de4ad0e42fb30a7bd643972994c47c1f42e
t10k-labels-idx1-ubyte 10008 \
    sha256:a11dc742be8e781a40a92f53d6a4957e7b7d36df2faa097659131ebfd8fd60c6
""",
    "cifar-10": """
data_batch_1.bin 30730000 md5:5dd7e06a14cb22eb9f671a540d1b7c25
data_batch_2.bin 30730000 md5:5ea93a67294ea407fff1d09f752e9692
data_batch_3.bin 30730000 md5:942cd6a4bcdd0dd3c604fbe906cb4421
data_batch_4.bin 30730000 md5:ae636b3ba5c66a11e91e8cb52e771fcb
data_batch_5.bin 30730000 md5:53f37980c15c3d472c316c40844f3f0d
test_batch.bin 30730000 md5:803d5f7f4d78ea53de84dbe85f74fb6d
""",
}
PARTS = {"train": ("train-", "data_"), "test": ("t10k-", "test_")}  # how names of a split begin


def mnist(split: str = "train", size: int = 28) -> ImageSet:
    """Handwritten digits, 60,000 to train and 10,000 to test, 28x28 grey, labels 0 to 9.

    Args:
        split: "train" or "test".
        size: 28, or what `ImageSet.resized` makes of it.

    The files may lie anywhere in the folder that GAN_LESSONS_DATA names or in the cache, under any
    name, packed or not: the checksum of their content decides. Otherwise they are downloaded.

    Source: Y. LeCun, C. Cortes, C. Burges (1998), "The MNIST database of handwritten digits".
    Raises: InputError for another split or size, and if the files cannot be had: with what to put
        where by hand, and what is wrong with the files there that look like them.
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


def known_contents(name: str) -> list[Content]:
    """What is in the files of the set called `name` in DOWNLOADS."""
    rows = map(str.split, CONTENTS[name].strip().splitlines())
    return [Content(name, file, int(length), digest) for file, length, digest in rows]


def _read(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one split, as they stand in its files."""
    parts = _parts(name, split)
    if name == "cifar-10":
        return read_cifar(list(parts.values()))
    images, labels = (read_idx(data) for data in parts.values())
    return images, labels


def _parts(name: str, split: str) -> dict[str, bytes]:
    """The contents that make up one split, by name: by hand, from the cache, or from the net."""
    wanted = [part for part in known_contents(name) if part.name.startswith(PARTS[split])]
    known = [part for each in CONTENTS for part in known_contents(each)]
    search = Search(wanted, known)
    for folder in filter(None, (classroom_folder(), cache_folder())):
        if folder == classroom_folder() and not os.path.exists(folder):
            search.misses.append(f"GAN_LESSONS_DATA names {folder}, which does not exist")
        search.look_in(folder)
    near = "; ".join(search.misses[:8]) + (" ..." if len(search.misses) > 8 else "")
    while search.missing:
        part = search.missing[0]
        files = sources(name)
        source = files.get(f"{part.name}.gz") or next(iter(files.values()))
        try:
            search.look_at(download(source, cache_folder() / source.name))
        except InputError as error:
            there = f"no file there is a good copy of {part}: {near}; " if near else ""
            hint = "; a good copy may have any name there, and may be packed or not"
            raise InputError(f"{there}{error}{hint}") from None
        if part in search.missing:
            raise InputError(f"{source.name} was downloaded, but does not hold {part}")
    if near:
        say(f"not used for {name}: {near}")
    return {part.name: search.found[part.name] for part in wanted}
