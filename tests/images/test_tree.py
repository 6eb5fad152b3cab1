"""What lies in a folder of pictures: classes, links, loose files; nothing is left out unsaid."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gan_lessons.errors import InputError
from gan_lessons.images import FolderSet, image_folder
from gan_lessons.images.tree import Tree, classes, printable

RNG = np.random.default_rng(0)


def put(folder: Path, *names: str, **options: Any) -> None:
    """A picture of its own under each of these names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 256, (12, 12, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(path, options.pop("format", "PNG"), **options)


def read(folder: Path, **options: Any) -> FolderSet:
    return image_folder(folder, 8, **options)


def reasons(images: FolderSet) -> dict[str, str]:
    return dict(text.split(": ", 1) for text in images.skipped)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda: capsys.readouterr().out


PETS = ("cats/a.png", "cats/b.png", "dogs/a.png")


def is_pets(images: FolderSet) -> bool:
    return images.class_names == ("cats", "dogs") and images.labels.tolist() == [0, 0, 1]


def test_subfolders_are_classes_where_every_image_lies_in_one(tmp_path, said):
    put(tmp_path, "cats/tabby/a.png", "cats/b.PNG", "dogs/c.JPeG")
    images = read(tmp_path)
    assert is_pets(images)
    assert images.files == ("cats/b.PNG", "cats/tabby/a.png", "dogs/c.JPeG")
    assert "2 classes: cats (2), dogs (1)" in said()
    assert read(tmp_path / "cats").labels is None


def test_loose_images_beside_class_folders_cost_the_labels_and_that_is_said(tmp_path, said):
    put(tmp_path, *PETS, "one.png", "two.png")
    images = read(tmp_path)
    assert images.labels is None and len(images) == 5
    assert re.search("no labels.*2 lie beside .*cats, dogs: one.png, two.png", said())
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_text("a loose file that is no image")
    assert is_pets(read(tmp_path))
    assert re.search("skipped 2: one.png: .*two.png: ", said())


@pytest.mark.parametrize("around", ["mine", "mine/mine", "train", "__MACOSX2/1"])
def test_folders_around_the_classes_do_not_count(around, tmp_path, said):
    put(tmp_path / around, *PETS)
    put(tmp_path / "__MACOSX" / around, *PETS)
    images = read(tmp_path)
    assert is_pets(images) and "2 classes: cats (2), dogs (1)" in said()
    assert images.skipped == ()


def test_a_loose_image_on_any_level_is_named(tmp_path, said):
    put(tmp_path / "mine" / "mine", *PETS)
    put(tmp_path, "mine/cover.png")
    assert read(tmp_path).labels is None
    assert "no labels, because 1 lie beside the folders cats, dogs: mine/cover.png" in said()


@pytest.mark.parametrize(
    "parts",
    [
        ("train", "test"),
        ("Training", "Testing"),
        ("train", "val"),
        ("valid", "test"),
        ("seg_train", "seg_test", "seg_pred"),
        ("training_set", "test_set"),
        ("trainA", "trainB", "testA", "testB"),
        ("train", "validation", "extra"),
        ("TRAIN", "TEST"),
    ],
)
@pytest.mark.parametrize("inside", ["", "cats"])
@pytest.mark.parametrize("around", ["", "mine"])
def test_parts_of_a_split_set_are_no_classes(parts, inside, around, tmp_path):
    for part in parts:
        put(tmp_path / around / part / inside, "a.png")
    with pytest.raises(InputError, match="no classes; give one of them") as caught:
        read(tmp_path)
    one = str(caught.value).split(".../")[1]
    assert (tmp_path / one).is_dir() and around in one


def test_parts_inside_the_classes_are_remarked_on(tmp_path, said):
    put(tmp_path, "cats/train/a.png", "cats/test/a.png", "dogs/train/a.png")
    assert read(tmp_path).labels.tolist() == [0, 0, 1]
    assert "test, train in the classes are read alike" in said()
    put(tmp_path, "train/a.png", "val/a.png")
    with pytest.raises(InputError, match=r"^train, val are parts .* such as \.\.\./train$"):
        read(tmp_path)


@pytest.mark.parametrize("kinds", [("bus", "car", "train"), ("exam", "test"), ("devil", "tester")])
def test_a_class_may_be_called_like_one_part(kinds, tmp_path):
    put(tmp_path, *(f"{kind}/a.png" for kind in kinds))
    assert read(tmp_path).class_names == kinds


def test_links_are_followed_each_folder_once(tmp_path, said):
    put(tmp_path / "store", *PETS, "birds/a.png")
    mine = tmp_path / "mine"
    put(mine, "birds/own.png")
    for kind in ("cats", "dogs"):
        (mine / kind).symlink_to(tmp_path / "store" / kind)
    (mine / "hounds").symlink_to(tmp_path / "store" / "dogs")
    (mine / "birds" / "more.png").symlink_to(tmp_path / "store" / "birds" / "a.png")
    images = read(mine)
    assert images.class_names == ("birds", "cats", "dogs") and len(images) == 5
    assert reasons(images) == {"hounds": "the same folder as dogs"} and "hounds" in said()
    (tmp_path / "link").symlink_to(mine)
    assert read(tmp_path / "link").files == images.files


def test_links_that_loop_or_lead_nowhere_are_named(tmp_path, said):
    put(tmp_path / "mine", *PETS)
    mine = tmp_path / "mine"
    links = {"loop": mine, "cats/loop": mine / "cats", "up": tmp_path, "top": "/", "gone": "no"}
    links |= {"itself": mine / "itself", "gone.png": "no.png"}
    for name, target in links.items():
        (mine / name).symlink_to(target)
    if hasattr(os, "mkfifo"):
        os.mkfifo(mine / "pipe")
    images = read(mine)
    assert is_pets(images) and len(images) == 3
    left = reasons(images)
    assert {*links} | {"pipe"} == {*left} | {"pipe"}
    assert left["gone"] == left["gone.png"] == left["itself"] == "a broken link"
    assert left["up"] == left["top"] == "a link to a folder that holds this one"
    out = said()
    assert all(name in out for name in links)


def test_many_links_do_not_multiply(tmp_path):
    """Two links on each of thirty levels are a thousand million paths."""
    for level in range(30):
        (tmp_path / str(level)).mkdir()
        for side in "ab":
            (tmp_path / str(level) / side).symlink_to(tmp_path / str(level + 1))
    put(tmp_path, "30/a.png", "30/b.png")
    assert len(read(tmp_path / "0")) == 2


def test_hidden_files_are_named_but_not_what_the_system_leaves(tmp_path, said):
    put(tmp_path, "a.png", "b.png")
    for name in (".DS_Store", "._a.png", "Thumbs.db", "desktop.ini", "DESKTOP.INI"):
        (tmp_path / name).write_bytes(b"?")
    put(tmp_path, "__MACOSX/a.png", ".git/a.png", "@eaDir/a.png")
    assert read(tmp_path).skipped == () and said() == ""
    put(tmp_path, ".hidden.png", ".thumbs/c.png", "__own/d.png")
    images = read(tmp_path)
    assert images.files == ("__own/d.png", "a.png", "b.png")
    assert reasons(images) == {".hidden.png": "hidden", ".thumbs": "hidden"}
    assert ".hidden.png" in said()


def test_class_folders_without_images_are_named(tmp_path, said):
    put(tmp_path, *PETS, "deep/er/a.png")
    (tmp_path / "birds").mkdir()
    (tmp_path / "fish").mkdir()
    (tmp_path / "fish" / "broken.png").write_bytes(b"?")
    images = read(tmp_path)
    assert images.class_names == ("cats", "deep", "dogs")
    assert re.search("no image in birds, fish;.*fish/broken.png", said())


def test_images_that_occur_twice_are_counted(tmp_path, said):
    put(tmp_path, *PETS)
    shutil.copy(tmp_path / "cats/a.png", tmp_path / "dogs/z.png")
    shutil.copy(tmp_path / "cats/a.png", tmp_path / "dogs/y.png")
    assert len(read(tmp_path)) == 5
    assert "2 occur again: dogs/y.png = cats/a.png, dogs/z.png = cats/a.png" in said()


def test_of_animations_the_first_picture_is_taken_and_that_is_said(tmp_path, said):
    more = {"save_all": True, "append_images": [Image.new("RGB", (12, 12), "red")]}
    put(tmp_path, "still.png", "still.gif")
    put(tmp_path, "a.gif", format="GIF", **more)
    put(tmp_path, "b.tif", format="TIFF", **more)
    put(tmp_path, "c.webp", format="WEBP", **more)
    put(tmp_path, "d.jpg", format="MPO", **more)  # a camera's preview is no animation
    assert len(read(tmp_path)) == 6
    assert "of 3 animations the first picture was taken: a.gif, b.tif, c.webp" in said()


def test_nearly_black_pictures_are_said_to_be(tmp_path, said):
    for place in range(3):
        mask = RNG.integers(0, 2, (12, 12)).astype(np.uint8)
        Image.fromarray(mask).save(tmp_path / f"{place}.png")
    assert read(tmp_path, colour=False).images.max() < -0.9
    assert "brightest pixel of all is 1 of 255" in said()


def test_names_that_cannot_be_printed_do_no_harm(tmp_path, said):
    put(tmp_path, "été [1]/a.png", "日本/a.png", "a\nb/a.png")
    images = read(tmp_path)
    assert images.class_names == ("a\\nb", "été [1]", "日本") and "日本 (1)" in said()
    raw = os.fsencode(tmp_path) + b"/\xff.png"
    try:
        Path(os.fsdecode(raw)).write_bytes(b"?")
    except OSError:
        return  # this file system takes no such name
    assert read(tmp_path).skipped[-1].startswith("\\udcff.png: ")
    assert printable("a\x1b[0m\udcff") == "a\\x1b[0m\\udcff"


def test_what_cannot_be_opened_is_named(tmp_path, monkeypatch):
    put(tmp_path, *PETS)
    scandir = os.scandir

    def guarded(path: Any) -> Any:
        if str(path).endswith("dogs"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("gan_lessons.images.tree.os.scandir", guarded)
    assert Tree(tmp_path).left_out == ["dogs: cannot be opened (Permission denied)"]


def test_more_folders_than_classes_give_no_labels():
    files = [f"{number:04}/a.png" for number in range(1001)]
    labels, names, notes = classes(files, [])
    assert labels is None and names == () and "1001 folders are too many" in notes[0]
    labels, names, _ = classes(files[:1000], [])
    assert labels is not None and len(names) == 1000


NAMES = st.sampled_from(["cats", "dogs", "birds"])


@given(st.lists(st.tuples(NAMES, st.integers(0, 99)), min_size=1), st.lists(NAMES, max_size=3))
def test_labels_name_the_folder_of_each_file(places, around):
    above = "".join(f"{name}/" for name in around)
    files = [f"{above}{kind}/{number}.png" for kind, number in places]
    labels, names, _ = classes(files, [])
    kinds = [kind for kind, _ in places]
    if len({*kinds}) < 2:
        assert labels is None
    else:
        assert [names[label] for label in labels] == kinds
