"""Real sets that come as tables of pixels: the images and labels of train and test, as arrays.

    train, test, classes = TABLES["mnist"](root)     # root as torchvision's datasets take it
    images, labels = train                           # uint8 N,H,W or N,H,W,3, and int64 N

torchvision's classes read MNIST, Fashion-MNIST, USPS and SVHN. CIFAR-10 and STL-10 are read here: torchvision's CIFAR-10
is a pickle, which can run anything, and its STL-10 reads 2.8 GB without labels to compare a checksum, each time. A test holds
these two against the classes of torchvision.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CourseError
from .needs import check_scipy

Table = tuple[np.ndarray, np.ndarray]
DIGITS = tuple("0123456789")
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
FASHION = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


def cifar10(root: Path) -> tuple[Table, Table, tuple[str, ...]]:
    """The binary version: records of a label and 3x32x32 pixels, in data_batch_1.bin to 5 and test_batch.bin."""
    folder = root / "cifar-10-batches-bin"

    def batch(name: str) -> Table:
        records = _bytes(folder / name, 1 + 3 * 32 * 32)
        return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0].astype(np.int64)

    images, labels = zip(*(batch(f"data_batch_{number}.bin") for number in range(1, 6)), strict=True)
    return (np.concatenate(images), np.concatenate(labels)), batch("test_batch.bin"), CIFAR


def stl10(root: Path) -> tuple[Table, Table, tuple[str, ...]]:
    """Images of 3x96x96 pixels, column after column; labels count from 1."""
    folder = root / "stl10_binary"

    def part(name: str) -> Table:
        pixels = _bytes(folder / f"{name}_X.bin", 3 * 96 * 96).reshape(-1, 3, 96, 96)
        return pixels.transpose(0, 3, 2, 1), _bytes(folder / f"{name}_y.bin", 1)[:, 0].astype(np.int64) - 1

    return part("train"), part("test"), STL


def mnist(root: Path) -> tuple[Table, Table, tuple[str, ...]]:
    """Read by torchvision from MNIST/raw."""
    from torchvision.datasets import MNIST

    return (*(_of(MNIST, root, train=train) for train in (True, False)), DIGITS)


def fashionmnist(root: Path) -> tuple[Table, Table, tuple[str, ...]]:
    """Read by torchvision from FashionMNIST/raw."""
    from torchvision.datasets import FashionMNIST

    return (*(_of(FashionMNIST, root, train=train) for train in (True, False)), FASHION)


def usps(root: Path) -> tuple[Table, Table, tuple[str, ...]]:
    """Read by torchvision from usps.bz2 and usps.t.bz2."""
    from torchvision.datasets import USPS

    return (*(_of(USPS, root, train=train) for train in (True, False)), DIGITS)


def svhn(root: Path) -> tuple[Table, Table, tuple[str, ...]]:
    """Read by torchvision from train_32x32.mat and test_32x32.mat, which needs scipy."""
    check_scipy("SVHN")
    from torchvision.datasets import SVHN

    train, test = ((_of(SVHN, root, split=split)) for split in ("train", "test"))
    return (train[0].transpose(0, 2, 3, 1), train[1]), (test[0].transpose(0, 2, 3, 1), test[1]), DIGITS


TABLES: dict[str, Callable[[Path], tuple[Table, Table, tuple[str, ...]]]] = {
    "cifar10": cifar10,
    "stl10": stl10,
    "mnist": mnist,
    "fashionmnist": fashionmnist,
    "usps": usps,
    "svhn": svhn,
}


def _of(kind: Any, root: Path, **which: Any) -> Table:
    """Pixels and labels of one of torchvision's datasets."""
    try:
        found = kind(root, download=False, **which)
    except Exception as error:  # torchvision raises RuntimeError, and whatever its parsers raise on a damaged file
        raise CourseError(
            f"torchvision cannot read {kind.__name__} in {root} ({error}). See: course data verify"
        ) from error
    labels = found.labels if hasattr(found, "labels") else found.targets
    return np.asarray(found.data), np.asarray(labels, dtype=np.int64)


def _bytes(path: Path, length: int) -> np.ndarray:
    """A file of records as uint8 N,length."""
    try:
        size = path.stat().st_size
        if size == 0 or size % length:
            raise CourseError(
                f"{path} has {size:,} bytes, which is no whole number of records of {length:,}. See: course data verify"
            )
        return np.fromfile(path, dtype=np.uint8).reshape(-1, length)
    except OSError as error:
        raise CourseError(f"{path} cannot be read ({error.strerror}). See: course data verify") from error
