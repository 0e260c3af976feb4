"""The real sets that are tables of pixels: CIFAR-10, STL-10, MNIST, Fashion-MNIST, USPS and SVHN.

    PIXEL_SETS[0].files[0].addresses         # where the first file of the first set can be had

Each entry says in `source` where its addresses, lengths and checksums are from (see registry.py).
"""

from __future__ import annotations

from ...downloads.entry import File, RealSet, single

LIBSVM = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass"
SVHN = ("https://ufldl.stanford.edu/housenumbers", "https://cseweb.ucsd.edu/~weijian/static/datasets/svhn")
MNIST = ("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist")
FASHION = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
)
# fmt: off
_MNIST_FILES = (  # name, bytes, MD5, SHA-256
    ("train-images-idx3", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    ("train-labels-idx1", 28_881, "d53e105ee54ea40749a09fcbcd1e9432", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    ("t10k-images-idx3", 1_648_877, "9fb629c4189551a2d022fa330f9573f3", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    ("t10k-labels-idx1", 4_542, "ec29112dd5afa0611ce80d1b7f02629c", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)
_FASHION_FILES = (  # name, bytes, MD5, SHA-256
    ("train-images-idx3", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    ("train-labels-idx1", 29_515, "25c81989df183df01b3e8a0aad5dffbe", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    ("t10k-images-idx3", 4_422_102, "bef4ecab320f06d8554ea6380940ec79", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    ("t10k-labels-idx1", 5_148, "bb300cfdad3c16e7a12a480ee83cd310", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)
# fmt: on


def _idx(folder: str, homes: tuple[str, ...], name: str, size: int, md5: str, sha256: str) -> File:
    """A file of MNIST's format, which torchvision reads from FOLDER/raw."""
    archive = f"{name}-ubyte.gz"
    return File(
        archive, tuple(f"{home}/{archive}" for home in homes), f"{folder}/raw/{name}-ubyte", "gz", size, md5, sha256
    )


PIXEL_SETS = (
    RealSet(
        "cifar10",
        title="CIFAR-10 (binary version)",
        what="10 classes in 32 px, 50,000 images to train on and 10,000 to test; the version that is no pickle",
        classes=10,
        images=60_000,
        licence="not stated",
        citation="Krizhevsky: Learning multiple layers of features from tiny images. Toronto 2009",
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
        files=(
            File(
                "cifar-10-binary.tar.gz",
                (
                    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                    "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
                ),
                "cifar-10-batches-bin",
                "tar",
                170_052_171,
                "c32a1d4ab5d03f1284b67883e8d87530",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
        source="address and MD5: the author's page; length and SHA-256: TFDS",
        meanwhile="dogworld",
        size=32,
    ),
    RealSet(
        "stl10",
        title="STL-10",
        what="10 classes in 96 px; the 13,000 labelled images (the 100,000 without labels are not unpacked)",
        classes=10,
        images=13_000,
        licence="not stated (photos from ImageNet)",
        citation="Coates, Lee, Ng: An analysis of single-layer networks in unsupervised feature learning. AISTATS 2011",
        home="https://cs.stanford.edu/~acoates/stl10/",
        files=(
            File(
                "stl10_binary.tar.gz",
                ("https://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",),
                "stl10_binary",
                "tar",
                2_640_397_119,
                "91f7769df0f17e558f3565bffb0c7dfb",
                "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
                skip=("stl10_binary/unlabeled_X.bin",),
            ),
        ),
        source="address (there by http) and MD5: torchvision; length and SHA-256: TFDS",
        meanwhile="dogworld",
        size=96,
    ),
    RealSet(
        "mnist",
        title="MNIST",
        what="handwritten digits in 28 px, 60,000 to train on and 10,000 to test",
        classes=10,
        images=70_000,
        licence="CC BY-SA 3.0 (as the documentation of Keras has it)",
        citation="LeCun, Bottou, Bengio, Haffner: Gradient-based learning. Proceedings of the IEEE 86, 1998",
        home="https://yann.lecun.com/exdb/mnist/",
        files=tuple(_idx("MNIST", MNIST, *facts) for facts in _MNIST_FILES),
        source="first address and MD5: torchvision; second address, lengths and SHA-256: TFDS",
        meanwhile="digits",
        size=28,
    ),
    RealSet(
        "fashionmnist",
        title="Fashion-MNIST",
        what="10 kinds of clothing in 28 px, 60,000 to train on and 10,000 to test",
        classes=10,
        images=70_000,
        licence="MIT",
        citation="Xiao, Rasul, Vollgraf: Fashion-MNIST. arXiv:1708.07747, 2017",
        home="https://github.com/zalandoresearch/fashion-mnist",
        files=tuple(_idx("FashionMNIST", FASHION, *facts) for facts in _FASHION_FILES),
        source="addresses: the authors' repository; MD5: torchvision; lengths and SHA-256: TFDS",
        meanwhile="digits",
        size=28,
    ),
    RealSet(
        "usps",
        title="USPS",
        what="handwritten digits from letters, in 16 px, 7,291 to train on and 2,007 to test",
        classes=10,
        images=9_298,
        licence="not stated",
        citation="Hull: A database for handwritten text recognition research. IEEE PAMI 16, 1994",
        home="https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps",
        files=(
            single("usps.bz2", (LIBSVM,), "usps.bz2", None, "ec16c51db3855ca6c91edd34d0e9b197", "", 7_000_000),
            single("usps.t.bz2", (LIBSVM,), "usps.t.bz2", None, "8ea070ee2aca1ac39742fdd1ef5ed118", "", 2_000_000),
        ),
        source="addresses and MD5: torchvision; lengths: nowhere stated",
        meanwhile="digits",
        size=16,
    ),
    RealSet(
        "svhn",
        title="Street View House Numbers (cropped digits)",
        what="digits of house numbers in 32 px, 73,257 to train on and 26,032 to test; needs scipy to be read",
        classes=10,
        images=99_289,
        licence="for non-commercial use only",
        citation="Netzer et al.: Reading digits in natural images with unsupervised feature learning. NIPS workshop 2011",
        home="https://ufldl.stanford.edu/housenumbers/",
        files=(
            single(
                "train_32x32.mat",
                SVHN,
                "train_32x32.mat",
                182_040_794,
                "e26dedcc434d2e4c54c9b2d4a06d8373",
                "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
                182_040_794,
            ),
            single(
                "test_32x32.mat",
                SVHN,
                "test_32x32.mat",
                64_275_384,
                "eb5a983be6a315427106f1b164d9cef3",
                "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
                64_275_384,
            ),
        ),
        source="first address (there by http) and MD5: torchvision; lengths and SHA-256: TFDS; mirror: a copy at UC San Diego",
        meanwhile="digits",
        size=32,
    ),
)
