"""Real sets: the registry, how each is read (as torchvision reads it), and what happens while one is not here.

pytest tests/test_photos.py
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import logging
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_server import BadServer
from PIL import Image

import course_lib as cl
from course_lib import sources
from course_lib.downloads.addresses import check_address
from course_lib.downloads.entry import KINDS
from course_lib.downloads.places import own_folder
from course_lib.errors import CourseError
from course_lib.sources import BUILT_IN, REAL, check_source, load_images
from course_lib.sources.photos import assemble, photos, registry
from course_lib.sources.photos.listed import LISTS
from course_lib.sources.photos.registry import REAL_SETS
from course_lib.sources.photos.tables import TABLES

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def lab(tmp_path, monkeypatch) -> Path:
    """A shared folder, empty so far."""
    folder = tmp_path / "lab"
    folder.mkdir()
    monkeypatch.setenv("COURSE_DATA", str(folder))
    return folder


@pytest.mark.parametrize("entry", REAL_SETS.values(), ids=REAL_SETS)
def test_an_entry_says_all_that_is_needed(entry):
    assert entry.name in REAL and (entry.name in LISTS) != (entry.name in TABLES)
    assert entry.meanwhile in BUILT_IN
    assert entry.classes >= 2 and entry.images > 100 * entry.classes // 2 and 16 <= entry.size <= 1024
    for text in (entry.title, entry.what, entry.licence, entry.citation, entry.source):
        assert text.strip() == text and text
    assert entry.home.startswith("https://")
    for file in entry.files:
        assert file.kind in KINDS and file.size > 0 and not Path(file.gives).is_absolute() and ".." not in file.gives
        for address in file.addresses:
            assert address.startswith("https://")
            check_address(address)
        assert re.fullmatch(r"[0-9a-f]{32}|", file.md5) and re.fullmatch(r"[0-9a-f]{64}|", file.sha256)
        assert file.md5 or file.sha256


def test_names_are_listed_where_they_can_be_had_without_reading_the_registry():
    assert set(REAL) == set(REAL_SETS)


def test_checksums_are_those_of_torchvision():
    """What torchvision publishes for the same file is what the registry has."""
    from torchvision import datasets

    pet, flowers = datasets.OxfordIIITPet._RESOURCES, datasets.Flowers102._file_dict
    published = {address.rsplit("/", 1)[1]: md5 for address, md5 in pet} | dict(flowers.values())
    published |= {datasets.STL10.filename: datasets.STL10.tgz_md5}
    published |= {name: md5 for split in ("train", "test") for _, name, md5 in [datasets.SVHN.split_list[split]]}
    published |= {name: md5 for _, name, md5 in datasets.USPS.split_list.values()}
    published |= {Path(url).name: md5 for url, md5 in datasets.Imagenette._ARCHIVES.values() if "160" in url}
    names = {"pets", "flowers", "stl10", "svhn", "usps", "imagenette"}
    ours = {file.name: file.md5 for name in names for file in REAL_SETS[name].files}
    assert ours == published
    for name, kind in (("mnist", datasets.MNIST), ("fashionmnist", datasets.FashionMNIST)):
        assert {file.name: file.md5 for file in REAL_SETS[name].files} == dict(kind.resources)


@needs_shared
@pytest.mark.parametrize("below", ["", "oxford-iiit-pet"])
def test_pets_as_they_lie_on_a_shared_disk(monkeypatch, below):
    from torchvision.datasets import OxfordIIITPet

    monkeypatch.setenv("COURSE_DATA", str(SHARED / below))
    before = {path: path.stat().st_mtime_ns for path in SHARED.rglob("*")}
    pets = load_images("pets", size=32)
    assert (len(pets.classes), len(pets.images), pets.left_out) == (37, 370, ())
    assert {split: len(rows) for split, rows in pets.splits.items()} == {"train": 222, "val": 37, "test": 111}
    for split, of in (("trainval", ("train", "val")), ("test", ("test",))):
        theirs = OxfordIIITPet(SHARED, split=split, download=False)
        rows = torch.cat([pets.rows(name) for name in of])
        ours = {Path(pets.files[row]).name: pets.classes[pets.labels[row]] for row in rows.tolist()}
        assert ours == {
            path.name: theirs.classes[label] for path, label in zip(theirs._images, theirs._labels, strict=True)
        }
    assert pets.classes == tuple(theirs.classes)
    assert {path: path.stat().st_mtime_ns for path in SHARED.rglob("*")} == before


@needs_shared
def test_pets_as_species_and_as_dogs(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(SHARED))
    pets, species, dogs = (load_images(name, size=32) for name in ("pets", "pets-species", "pets-dogs"))
    assert species.classes == ("cat", "dog") and species.counts("test") == {"cat": 36, "dog": 75}
    assert torch.equal(species.images, pets.images) and species.checksum == pets.checksum  # decoded once
    assert len(dogs.classes) == 25 and len(dogs.images) == 250
    assert set(dogs.factors["species"]) == {"dog"} and "Abyssinian" not in dogs.classes
    named = [dogs.classes[label] for label in dogs.labels]
    assert named == dogs.factors["breed"].tolist()
    assert load_images("pets", per_class=2, seed=1, size=32).counts("train")["Beagle"] == 2


@needs_shared
def test_val_is_drawn_by_the_seed_and_test_stays(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(SHARED))
    first, again, other = (photos("pets", size=16, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.rows("val"), again.rows("val"))
    assert not torch.equal(first.rows("val"), other.rows("val"))
    assert torch.equal(first.rows("test"), other.rows("test"))
    with pytest.raises(CourseError, match="allowed are 16 to 1024"):
        load_images("pets", size=8)
    with pytest.raises(CourseError, match="does not take 'breed'"):
        load_images("pets", breed="Beagle")


@needs_shared
def test_hymenoptera_dogs_and_objects_in_their_own_layouts(lab):
    """The sets' real photos, under the names that their archives give them."""
    (lab / "hymenoptera_data").symlink_to(SHARED / "hymenoptera")
    bees = load_images("hymenoptera", size=32)
    assert bees.classes == ("ants", "bees") and len(bees.rows("test")) == 153
    assert len(bees.rows("train")) + len(bees.rows("val")) == 244
    names = {"beagle": "n02088364", "Samoyed": "n02111889", "dingo": "n02115641"}
    for split in ("train", "val"):
        for name, number in names.items():
            target = lab / "imagewoof2-160" / split / number
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(SHARED / "dogs" / split / name)
    dogs = load_images("imagewoof", size=16)
    assert dogs.classes == ("beagle", "Samoyed", "dingo")
    assert dogs.counts("test") == {"beagle": 50, "Samoyed": 50, "dingo": 50}
    assert dogs.counts("val") == {"beagle": 30, "Samoyed": 30, "dingo": 30}


def test_imagenette_as_torchvision_reads_it(lab):
    from torchvision.datasets import Imagenette

    for split in ("train", "val"):
        for number in ("n01440764", "n03888257"):
            for i in range(5):
                _jpeg(lab / "imagenette2-160" / split / number / f"{number}_{i}.JPEG")
    fish = load_images("imagenette", size=16)
    assert fish.classes == ("tench", "parachute")
    theirs = [Imagenette(lab, split, "160px") for split in ("train", "val")]
    listed = {(path, theirs[0].classes[label][0]) for each in theirs for path, label in each._samples}
    assert {(file, fish.classes[label]) for file, label in zip(fish.files, fish.labels, strict=True)} == listed
    assert fish.counts("test") == {"tench": 5, "parachute": 5}


def test_eurosat_as_torchvision_reads_it_and_a_broken_photo(lab):
    from torchvision.datasets import EuroSAT

    for name in ("Forest", "River", "SeaLake"):
        for i in range(6):
            _jpeg(lab / "eurosat" / "2750" / name / f"{name}_{i}.jpg")
    (lab / "eurosat" / "2750" / "River" / "River_6.jpg").write_bytes(b"\xff\xd8\xff cut")
    land = load_images("eurosat")
    assert land.size == 64 and len(land.images) == 18
    assert [problem[0] for problem in land.left_out] == ["River/River_6.jpg"]
    assert {split: len(rows) for split, rows in land.splits.items()} == {"train": 12, "val": 3, "test": 3}
    theirs = EuroSAT(lab)
    assert land.classes == tuple(theirs.classes)
    listed = {(path, label) for path, label in theirs.samples if "River_6" not in path}
    assert set(zip(land.files, land.labels.tolist(), strict=True)) == listed


def test_flowers_as_torchvision_reads_them(lab, monkeypatch):
    io_ = pytest.importorskip("scipy.io")
    from torchvision.datasets import Flowers102

    folder = lab / "flowers-102"
    labels = np.array([[77, 1, 102, 77, 1, 102, 77, 1, 102]], dtype=np.uint8)
    for number in range(1, 10):
        _jpeg(folder / "jpg" / f"image_{number:05d}.jpg")
    io_.savemat(folder / "imagelabels.mat", {"labels": labels})
    sets = {"trnid": [[1, 2, 3]], "valid": [[4, 5, 6]], "tstid": [[9, 8, 7]]}
    io_.savemat(folder / "setid.mat", {name: np.array(rows, dtype=np.uint16) for name, rows in sets.items()})
    flowers = load_images("flowers", size=16)
    monkeypatch.setattr(Flowers102, "_check_integrity", lambda self: True)  # its checksums are those of the real lists
    for split in ("train", "val", "test"):
        theirs = Flowers102(lab, split)
        ours = [(flowers.files[row], int(flowers.labels[row])) for row in flowers.rows(split)]
        assert sorted(ours) == sorted(zip(map(str, theirs._image_files), theirs._labels, strict=True))
    assert len(set(flowers.classes)) == 102
    assert flowers.classes == tuple(getattr(theirs, "classes", flowers.classes))  # torchvision 0.21 has no names


def test_cifar10_without_unpickling(lab):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (60, 3, 32, 32), dtype=np.uint8), np.arange(60, dtype=np.uint8) % 10
    folder = lab / "cifar-10-batches-bin"
    folder.mkdir()
    for number, name in enumerate(
        ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
    ):
        rows = range(10 * number, 10 * number + 10)
        (folder / f"{name}.bin").write_bytes(b"".join(bytes([labels[i]]) + images[i].tobytes() for i in rows))
    _grow(folder, 5)
    cifar = load_images("cifar10")
    assert cifar.classes[3] == "cat" and cifar.size == 32
    test = cifar.rows("test")
    assert torch.equal(cifar.images[test][:10], torch.from_numpy(images[50:60]))
    assert cifar.labels[test].tolist() == list(range(10)) * 5
    (folder / "test_batch.bin").write_bytes(b"short")
    with pytest.raises(CourseError, match="no whole number of records"):
        load_images("cifar10")


def _grow(folder: Path, times: int) -> None:
    """The same records some times over: each class needs an image for val."""
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes() * times)


def test_stl10_as_torchvision_reads_it(lab, monkeypatch):
    from torchvision.datasets import STL10

    folder = lab / "stl10_binary"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, count in (("train", 20), ("test", 10)):
        (folder / f"{name}_X.bin").write_bytes(rng.bytes(count * 3 * 96 * 96))
        (folder / f"{name}_y.bin").write_bytes(bytes(i % 10 + 1 for i in range(count)))
    stl = load_images("stl10")
    (folder / "class_names.txt").write_text("\n".join(stl.classes))
    (folder / "fold_indices.txt").write_text("0 1\n")
    monkeypatch.setattr(STL10, "_check_integrity", lambda self: True)  # of 2.8 GB without labels
    train, test = STL10(lab, "train"), STL10(lab, "test")
    assert torch.equal(stl.images, torch.from_numpy(np.concatenate([train.data, test.data])))
    assert stl.labels.tolist() == [*train.labels.tolist(), *test.labels.tolist()]


def _idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def _mnist(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 28, 28), dtype=np.uint8), np.arange(40, dtype=np.uint8) % 10
    for name, rows in (("train", slice(0, 30)), ("t10k", slice(30, 40))):
        (folder / f"{name}-images-idx3-ubyte").write_bytes(_idx(images[rows]))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(_idx(labels[rows]))
    return images, labels


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashionmnist", "FashionMNIST")])
def test_mnist(lab, name, folder):
    images, labels = _mnist(lab / folder / "raw")
    digits = load_images(name)
    assert torch.equal(digits.images, torch.from_numpy(images).unsqueeze(1).expand(-1, 3, -1, -1))
    assert digits.labels.tolist() == labels.tolist() and len(digits.classes) == 10
    assert {split: len(rows) for split, rows in digits.splits.items()} == {"train": 20, "val": 10, "test": 10}
    large = load_images(name, size=56)
    assert large.size == 56 and abs(large.images.float().mean() - digits.images.float().mean()) < 1
    (lab / folder / "raw" / "train-images-idx3-ubyte").write_bytes(b"damaged")
    with pytest.raises(CourseError, match="torchvision cannot read"):
        load_images(name)


def test_usps(lab):
    rng = np.random.default_rng(0)
    pixels = rng.uniform(-1, 1, (40, 256)).round(3)
    for name, rows in (("usps.bz2", range(30)), ("usps.t.bz2", range(30, 40))):
        lines = (f"{i % 10 + 1} " + " ".join(f"{k + 1}:{v}" for k, v in enumerate(pixels[i])) for i in rows)
        (lab / name).write_bytes(bz2.compress(("\n".join(lines) + "\n").encode()))
    usps = load_images("usps")
    assert usps.size == 16 and usps.labels.tolist() == [i % 10 for i in range(40)]
    expected = ((pixels.astype(np.float32) + 1) / 2 * 255).astype(np.uint8).reshape(-1, 16, 16)
    assert torch.equal(usps.images[:, 1], torch.from_numpy(expected))


def _svhn(lab: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    io_ = pytest.importorskip("scipy.io")
    from torchvision.datasets import SVHN

    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    for name, rows in (("train", slice(0, 30)), ("test", slice(30, 40))):
        labels = np.array([[i % 10 or 10] for i in range(40)], dtype=np.uint8)[rows]
        io_.savemat(lab / f"{name}_32x32.mat", {"X": images[rows].transpose(1, 2, 3, 0), "y": labels})
    monkeypatch.setattr(SVHN, "_check_integrity", lambda self: True)  # its checksums are those of the real files
    return images


def test_svhn_and_what_is_larger_than_the_memory(lab, own, monkeypatch):
    images = _svhn(lab, monkeypatch)
    numbers = load_images("svhn")
    assert torch.equal(numbers.images, torch.from_numpy(images).permute(0, 3, 1, 2))
    assert numbers.labels.tolist() == [i % 10 for i in range(40)]  # the label 10 is the digit 0
    monkeypatch.setattr(assemble, "IN_MEMORY", 1000)
    kept = load_images("svhn")
    (file,) = (own / "images").glob("svhn-32-*.safetensors")
    assert torch.equal(kept.images[:], numbers.images) and kept.checksum == numbers.checksum
    assert all(torch.equal(kept.rows(split), numbers.rows(split)) for split in numbers.splits)
    monkeypatch.setitem(TABLES, "svhn", None)  # not read again
    assert torch.equal(load_images("svhn").images[:], numbers.images)
    file.write_bytes(b"damaged")
    monkeypatch.undo()


def test_a_set_in_matlab_s_format_without_scipy(lab, monkeypatch):
    _svhn(lab, monkeypatch)
    from course_lib.sources.photos import needs

    monkeypatch.setattr(needs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match="pip install scipy"):
        load_images("svhn")


@needs_shared
def test_real_digits_in_mnist_s_and_usps_s_own_formats(lab):
    for name, folder in (("mnist", lab / "MNIST" / "raw"), ("usps", lab)):
        with np.load(SHARED / "digits" / f"{name}.npz") as file:
            arrays = {key: file[key] for key in file.files}
        folder.mkdir(parents=True, exist_ok=True)
        for split, theirs, small in (("train", "train", "usps.bz2"), ("val", "t10k", "usps.t.bz2")):
            images, labels = arrays[f"{split}_images"][:300], arrays[f"{split}_labels"][:300].astype(np.uint8)
            if name == "mnist":
                (folder / f"{theirs}-images-idx3-ubyte").write_bytes(_idx(images))
                (folder / f"{theirs}-labels-idx1-ubyte").write_bytes(_idx(labels))
            else:
                scaled = images.reshape(len(images), -1) / 127.5 - 1
                lines = (
                    f"{label + 1} " + " ".join(f"{k + 1}:{v:.6f}" for k, v in enumerate(row))
                    for label, row in zip(labels, scaled, strict=True)
                )
                (folder / small).write_bytes(bz2.compress("\n".join(lines).encode()))
        found = load_images(name)
        assert found.labels.tolist() == [*arrays["train_labels"][:300], *arrays["val_labels"][:300]]
        ours = found.images[:300, 0].int() - torch.from_numpy(
            arrays["train_images"][:300].reshape(300, *found.images.shape[2:]).astype(int)
        )
        assert ours.abs().max() <= (0 if name == "mnist" else 1)  # USPS: written as decimals, cut to whole numbers


def test_nothing_is_fetched_unasked(own):
    with pytest.raises(CourseError) as caught:
        load_images("pets")
    text = str(caught.value)
    for part in (
        "not on this machine",
        "811 MB",
        "CC BY-SA 4.0",
        "course data fetch pets",
        "download=True",
        "dogworld",
    ):
        assert part in text
    assert not own.exists() and "COURSE_DATA" not in text


def test_a_folder_of_the_same_name_is_mentioned(tmp_path, monkeypatch):
    (tmp_path / "flowers").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match=re.escape('load_images("./flowers")')):
        load_images("flowers")


@pytest.fixture
def few(monkeypatch):
    """The built-in sets with few images, as drawing takes a while."""
    whole = sources._built_in

    def small(name: str):
        return lambda **options: whole(name)(
            **options | dict.fromkeys(options.keys() & {"cats"}, 6), per_class=3, size=32
        )

    monkeypatch.setattr(sources, "_built_in", small)


@pytest.mark.parametrize("name", ["usps", "pets-species"])
def test_meanwhile_a_built_in_set_serves_and_it_is_said(name, caplog, own, few):
    with caplog.at_level(logging.WARNING, "course_lib"):
        images = load_images(name, meanwhile=True, size=192)
    assert images.name.startswith(REAL_SETS[name].meanwhile)
    assert ("species" in images.name) == (name == "pets-species")
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"{REAL_SETS[name].title} is not on this machine" in line and f"course data fetch {name}" in line
    assert REAL_SETS[name].licence in line
    check_source(name)
    with pytest.raises(CourseError, match="not on this machine"):
        check_source(name, meanwhile=False)
    with pytest.raises(CourseError, match="does not take 'colour'"):
        load_images(name, meanwhile=True, colour="red")


def test_meanwhile_says_so_in_a_notebook():
    code = """
from IPython.testing.globalipapp import start_ipython
import IPython
from IPython.utils.capture import capture_output
shell = start_ipython()
shell.display_formatter.active_types = shell.display_formatter.format_types  # as in a kernel
from functools import partial
from course_lib import sources
whole = sources._built_in
sources._built_in = lambda name: partial(whole(name), per_class=3, size=32)
with capture_output() as shown:
    images = sources.load_images("usps", meanwhile=True)
print("NAME", images.name)
for output in shown.outputs:
    print(output.data.get("text/markdown"))
print("STDERR", shown.stderr)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120).stdout
    assert "**USPS is not on this machine, so this page goes on with the built-in set `digits`**" in out
    assert out.rstrip().endswith("STDERR") and "NAME digits" in out


def test_where_it_is_here_meanwhile_changes_nothing(lab, caplog, few):
    _mnist(lab / "MNIST" / "raw")
    mnist = load_images("mnist", meanwhile=True)
    assert mnist.name == "mnist" and not caplog.records
    assert load_images("digits", meanwhile=True).name.startswith("digits")


@pytest.fixture
def served(monkeypatch):
    """Hymenoptera's entry, with a server on this machine as its home."""
    from dataclasses import replace

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for split in ("train", "val"):
            for name in ("ants", "bees"):
                for i in range(4):
                    archive.writestr(f"hymenoptera_data/{split}/{name}/{i}.jpg", _jpeg(None))
        archive.writestr("hymenoptera_data/train/ants/imageNotFound.gif", b"GIF89a")
    content = out.getvalue()
    with BadServer() as server:
        entry = REAL_SETS["hymenoptera"]
        file = replace(
            entry.files[0],
            addresses=(server.put("hymenoptera_data.zip", content),),
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        monkeypatch.setitem(registry.REAL_SETS, "hymenoptera", replace(entry, files=(file,)))
        yield server


def test_download_and_read(served, own):
    bees = cl.load_images("hymenoptera", size=16, download=True)
    assert len(bees.images) == 16 and bees.left_out == ()  # the GIF is a notice of a photo that is gone
    assert torch.equal(cl.load_images("hymenoptera", size=16).images, bees.images)
    assert len(served.asked("hymenoptera_data.zip")) == 1
    assert own_folder(REAL_SETS["hymenoptera"]) == own / "downloads" / "hymenoptera"


def test_download_or_meanwhile(served, caplog, few):
    served.things["hymenoptera_data.zip"].faults = [404, 404]
    with pytest.raises(CourseError, match="any more"):
        load_images("hymenoptera", download=True)
    images = load_images("hymenoptera", download=True, meanwhile=True)
    assert images.name.startswith("dogworld")
    assert "does not have the file any more (404)" in caplog.text
    with pytest.raises(CourseError, match="download=True is for real sets"):
        load_images("dogworld", download=True)


def _jpeg(path: Path | None) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(len(str(path))).integers(0, 256, (24, 20, 3), dtype=np.uint8)).save(
        out, "JPEG"
    )
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(out.getvalue())
    return out.getvalue()


def test_an_archive_of_mnist_comes_to_its_place(monkeypatch, own):
    """From .gz files on a server to images: what `course data fetch mnist` does."""
    from dataclasses import replace

    images, _ = _mnist(own / "made")
    entry = REAL_SETS["mnist"]
    with BadServer() as server:
        files = []
        for file in entry.files:
            content = gzip.compress((own / "made" / Path(file.gives).name).read_bytes())
            address = server.put(file.name, content)
            facts = {"bytes": len(content), "md5": hashlib.md5(content).hexdigest(), "sha256": ""}
            files.append(replace(file, addresses=(address,), **facts))
        monkeypatch.setitem(registry.REAL_SETS, "mnist", replace(entry, files=tuple(files)))
        digits = load_images("mnist", download=True)
    assert torch.equal(digits.images[:, 0], torch.from_numpy(images))
