"""The adapter `torchvision`, on folders in the layout that each set was published in."""

import hashlib
import inspect
import pickle
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import scipy.io
import torchvision.datasets as published
from PIL import Image

from thetascope.datasets.adapters import torchvision as adapter
from thetascope.datasets.options import check_options, fetch, has_masks, list_files, load_items
from thetascope.errors import UserError

SHAPE = 20, 30
RNG = np.random.default_rng(0)


def picture(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def colour(shape=SHAPE):
    return RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)


def trimap(border):
    """A pet of 1 in a border, on 2, as the pets have it."""
    pet = np.full(SHAPE, 2, np.uint8)
    pet[4:15, 4:20], pet[6:12, 6:18] = border, 1
    return pet


def load(root, name, **options):
    return list(load_items("torchvision", {"path": str(root), "name": name, **options}))


def test_pets_have_masks_and_their_border_is_background(tmp_path):
    base = tmp_path / "oxford-iiit-pet"
    names = [f"Pug_{i}" for i in range(4)]
    for name in names:
        picture(base / "images" / f"{name}.jpg", colour())
        picture(base / "annotations/trimaps" / f"{name}.png", trimap(3))
    for part, listed in ("trainval", names[:3]), ("test", names[3:]):
        lines = [f"{name} 1 2 1\n" for name in listed]
        (base / f"annotations/{part}.txt").write_text("".join(lines))
    items = load(tmp_path, "OxfordIIITPet")
    assert [len(items), len(load(tmp_path, "OxfordIIITPet", part="test"))] == [3, 1]
    for item in items:
        assert item.image.shape == (3, *SHAPE)
        np.testing.assert_array_equal(item.mask, trimap(3) == 1)
    assert has_masks("torchvision", {"name": "OxfordIIITPet"})


def test_objects_of_voc_are_one_foreground_and_their_border_is_background(tmp_path):
    base = tmp_path / "VOCdevkit/VOC2012"
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:9, 3:9], labels[4:8, 4:8], labels[15:, 15:] = 255, 12, 7
    for name in ("2007_01", "2007_02", "2007_03"):
        picture(base / "JPEGImages" / f"{name}.jpg", colour())
        shown = Image.fromarray(labels, "P")
        shown.putpalette(list(RNG.integers(0, 256, 768)))  # colours say nothing, numbers do
        path = base / "SegmentationClass" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        shown.save(path)
    lists = base / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "trainval.txt").write_text("2007_01\n2007_02\n2007_03\n")
    items = load(tmp_path, "VOCSegmentation")
    assert len(items) == 3
    np.testing.assert_array_equal(items[0].mask, (labels > 0) & (labels < 255))


def folders(root, base, kinds=("a", "b"), count=3):
    """Pictures in a folder for each class, in the order of their names."""
    return [
        picture(root / base / kind / f"{kind}_{i:04}.png", colour())
        for kind in kinds
        for i in range(count)
    ]


@pytest.mark.parametrize("name", ["EuroSAT", "Caltech101"])
def test_sets_in_folders_of_classes_have_no_masks(tmp_path, name):
    if name == "EuroSAT":
        made = folders(tmp_path, "eurosat/2750")
    else:
        base = tmp_path / "caltech101/101_ObjectCategories"
        for other in base.with_name("Annotations"), base / "BACKGROUND_Google":
            other.mkdir(parents=True)
        shapes = [(kind, number) for kind in ("ant", "bass") for number in (1, 2, 3)]
        made = [picture(base / kind / f"image_{i:04}.jpg", colour()) for kind, i in shapes]
    items = load(tmp_path, name)
    assert len(items) == len(made) == 6
    assert not has_masks("torchvision", {"name": name})
    for item, pixels in zip(items, made, strict=True):
        assert item.mask is None
        assert item.image.shape == (3, *SHAPE)
        if name == "EuroSAT":  # the other went through JPEG
            np.testing.assert_array_equal(item.image, pixels.transpose(2, 0, 1))
    assert len({item.case for item in items}) == len({item.id for item in items}) == 6


def test_grey_digits_and_how_many_are_taken(tmp_path):
    """IDX files: a magic number, sizes as big-endian integers, then bytes."""
    raw = tmp_path / "FashionMNIST/raw"
    raw.mkdir(parents=True)
    digits = RNG.integers(0, 256, (10, 28, 28), dtype=np.uint8)
    for part, chosen in ("train", digits), ("t10k", digits[:4]):
        sizes = np.array([0x803, *chosen.shape], ">i4").tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(sizes + chosen.tobytes())
        head = np.array([0x801, len(chosen)], ">i4").tobytes()
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(head + bytes(len(chosen)))
    items = load(tmp_path, "FashionMNIST", colour="grey", items=4)
    assert [item.id for item in items] == ["000000", "000003", "000006", "000009"]
    for item in items:
        np.testing.assert_array_equal(item.image, digits[int(item.id)][None])
    assert len(load(tmp_path, "FashionMNIST", part="test", items=9)) == 4
    assert load(tmp_path, "FashionMNIST")[0].image.shape == (3, 28, 28)


def test_svhn_flowers_and_food(tmp_path, monkeypatch):
    """Those whose checksums no drawn file can have are read without these."""
    for module in ("svhn", "flowers102"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda *_: True)
    digits = RNG.integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)
    house = {"X": digits, "y": np.arange(1, 6)[:, None]}
    scipy.io.savemat(tmp_path / "train_32x32.mat", house)
    for i, item in enumerate(load(tmp_path, "SVHN")):
        np.testing.assert_array_equal(item.image, digits[..., i].transpose(2, 0, 1))

    base = tmp_path / "flowers-102"
    for i in range(1, 5):
        picture(base / "jpg" / f"image_{i:05}.jpg", colour())
    scipy.io.savemat(base / "imagelabels.mat", {"labels": np.ones((1, 4), int)})
    parts = {"trnid": [[4, 1, 2]], "valid": [[3, 1]], "tstid": [[3, 2]]}
    scipy.io.savemat(base / "setid.mat", parts)
    flowers = load(tmp_path, "Flowers102")
    assert [len(flowers), len(load(tmp_path, "Flowers102", part="val"))] == [3, 2]
    fourth = np.asarray(Image.open(base / "jpg/image_00004.jpg")).transpose(2, 0, 1)
    np.testing.assert_array_equal(flowers[0].image, fourth)

    base = tmp_path / "food-101"
    for i in range(3):
        picture(base / "images/pie" / f"{i}.jpg", colour())
    (base / "meta").mkdir()
    (base / "meta/train.json").write_text('{"pie": ["pie/0", "pie/1", "pie/2"]}')
    assert len(load(tmp_path, "Food101")) == 3


def cifar(folder):
    """CIFAR-10 as it is published, with two pictures a file."""
    inside = folder / "cifar-10-batches-py"
    inside.mkdir(parents=True)
    rows = RNG.integers(0, 256, (12, 3 * 32 * 32), dtype=np.uint8)
    files = [*(name for name, _ in published.CIFAR10.train_list), "test_batch"]
    for i, name in enumerate(files):
        batch = {"data": rows[2 * i : 2 * i + 2], "labels": [0, 1]}
        (inside / name).write_bytes(pickle.dumps(batch))
    (inside / "batches.meta").write_bytes(pickle.dumps({"label_names": ["cat", "dog"]}))
    return rows


@pytest.fixture
def server(tmp_path):
    """Address of a server on this machine that has what lies in the test's folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_torchvision_downloads_only_where_it_is_asked_to(tmp_path, monkeypatch, server):
    rows = cifar(tmp_path / "source")
    archive = tmp_path / published.CIFAR10.filename
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(tmp_path / "source/cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(published.CIFAR10, "url", f"{server}/{archive.name}")
    monkeypatch.setattr(published.CIFAR10, "tgz_md5", None)
    there = lambda path, _=None: Path(path).exists()  # noqa: E731
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", there)
    root = tmp_path / "root"
    with pytest.raises(UserError, match="no such folder; set it to where CIFAR10 lies"):
        load(root, "CIFAR10")
    root.mkdir()
    with pytest.raises(UserError, match="finds no CIFAR10 there"):
        load(root, "CIFAR10")
    assert not any(root.iterdir())
    fetch("torchvision", {"name": "CIFAR10", "part": None}, root)
    items = load(root, "CIFAR10")
    assert len(items) == 10
    for item, row in zip(items, rows[:10], strict=True):
        np.testing.assert_array_equal(item.image, row.reshape(3, 32, 32))
    assert len(load(root, "CIFAR10", part="test")) == 2
    monkeypatch.setattr(published.CIFAR10, "url", f"{server}/nothing.tar.gz")
    with pytest.raises(UserError, match="CIFAR10: torchvision cannot download it"):
        fetch("torchvision", {"name": "CIFAR10"}, tmp_path / "other")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "CIFAR"}, "datasets.d.name: 'CIFAR': none of torchvision's sets; did you mean"),
        (
            {"name": "SVHN", "part": "val"},
            "part: 'val': must be one of train, test, extra",
        ),
        ({"name": "EuroSAT", "part": "train"}, "part: 'train': EuroSAT has none; take it away"),
        ({"name": "SVHN", "download": True}, "download: true: is set beside `path`; keep one"),
        ({"name": "SVHN", "items": 2}, "items: 2: must be at least 3"),
        ({"name": "SVHN", "colour": "red"}, "colour: 'red': must be one of grey, rgb"),
        ({"name": "SVHN", "masks": None}, "datasets.d.masks: unknown to the adapter torchvision"),
    ],
)
def test_options_that_are_wrong_are_named(tmp_path, options, said):
    with pytest.raises(UserError) as error:
        check_options("d", "torchvision", {"path": str(tmp_path), **options})
    assert said in str(error.value)


def test_it_must_be_said_where_the_set_comes_from(tmp_path):
    with pytest.raises(UserError, match="download: false: set it to true, or set `path`"):
        check_options("d", "torchvision", {"name": "SVHN"})
    check_options("d", "torchvision", {"name": "SVHN", "download": True})
    with pytest.raises(UserError, match="no such folder"):
        list_files("torchvision", {"name": "SVHN", "path": str(tmp_path / "nowhere")})
    listed = list_files("torchvision", {"name": "SVHN", "path": str(tmp_path)})
    assert listed.cases is None and listed.files == []


def test_every_name_is_one_of_torchvisions_and_takes_what_it_is_told():
    import inspect

    for name, (argument, parts) in adapter.SETS.items():
        parameters = inspect.signature(getattr(published, name)).parameters
        known = set(parameters)
        if "kwargs" in parameters:  # such as those of MNIST's children
            known |= set(inspect.signature(published.MNIST).parameters)
        assert {"root", "download", *adapter.MASKED.get(name, {})} <= known
        assert not parts or argument in known


def test_pictures_are_spread_evenly_to_the_nearest(tmp_path):
    raw = tmp_path / "FashionMNIST/raw"
    raw.mkdir(parents=True)
    head = np.array([0x803, 10, 28, 28], ">i4").tobytes()
    (raw / "train-images-idx3-ubyte").write_bytes(head + bytes(10 * 28 * 28))
    (raw / "train-labels-idx1-ubyte").write_bytes(
        np.array([0x801, 10], ">i4").tobytes() + bytes(10)
    )
    for name in "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte":
        (raw / name).write_bytes((raw / name.replace("t10k", "train")).read_bytes())
    taken = [int(item.id) for item in load(tmp_path, "FashionMNIST", items=6)]
    assert taken == [0, 2, 4, 5, 7, 9]


@pytest.mark.parametrize("name", adapter.SETS)
def test_an_empty_folder_holds_no_set(tmp_path, name):
    with pytest.raises(UserError, match=f"torchvision finds no {name} there"):
        load(tmp_path, name)


@pytest.mark.parametrize("name", sorted(set(adapter.SETS) - {"VOCSegmentation"}))
def test_the_usual_part_is_the_one_that_torchvision_takes(name):
    argument, parts = adapter.SETS[name]
    if parts:
        usual = inspect.signature(getattr(published, name)).parameters[argument].default
        assert parts[0] == ("train" if usual is True else usual)


def test_a_download_of_another_checksum_is_refused(tmp_path, monkeypatch, server):
    (tmp_path / "cifar.tar.gz").write_bytes(b"another")
    monkeypatch.setattr(published.CIFAR10, "url", f"{server}/cifar.tar.gz")
    with pytest.raises(UserError, match="CIFAR10: torchvision cannot download it"):
        fetch("torchvision", {"name": "CIFAR10"}, tmp_path / "new/root")


def test_the_part_that_was_asked_for_is_downloaded(tmp_path, monkeypatch, server):
    digits = RNG.integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)
    scipy.io.savemat(tmp_path / "test.mat", {"X": digits, "y": np.arange(1, 6)[:, None]})
    digest = hashlib.md5((tmp_path / "test.mat").read_bytes()).hexdigest()
    there = [f"{server}/test.mat", "test_32x32.mat", digest]
    monkeypatch.setitem(published.SVHN.split_list, "test", there)
    fetch("torchvision", {"name": "SVHN", "part": "test"}, tmp_path / "root")
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["test_32x32.mat"]
    assert len(load(tmp_path / "root", "SVHN", part="test")) == 5


def test_three_pictures_are_enough_and_every_name_is_told(tmp_path):
    check_options("d", "torchvision", {"name": "SVHN", "path": str(tmp_path), "items": 3})
    with pytest.raises(UserError, match="none of torchvision's sets; known are CIFAR10, CIFAR100"):
        check_options("d", "torchvision", {"name": "?", "path": str(tmp_path)})


def test_no_folder_is_not_this_one():
    with pytest.raises(UserError, match="path: None: no such folder"):
        list_files("torchvision", {"name": "SVHN"})
