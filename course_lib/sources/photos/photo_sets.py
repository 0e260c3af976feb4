"""The real sets that are files of photos: Oxford-IIIT Pet, Imagewoof, Imagenette, Hymenoptera, Flowers 102 and EuroSAT.

    PHOTO_SETS[0].files[0].addresses         # where the first file of the first set can be had

Each entry says in `source` where its addresses, lengths and checksums are from (see registry.py).
"""

from __future__ import annotations

from ...downloads.entry import File, RealSet, single

OXFORD = "https://www.robots.ox.ac.uk/~vgg/data"
THOR = "https://thor.robots.ox.ac.uk"  # where Oxford's own pages send a download on to
FASTAI = "https://s3.amazonaws.com/fast-ai-imageclas"
IMAGENET = "ImageNet's terms (non-commercial research and education)"

PETS = (
    File(
        "images.tar.gz",
        (f"{OXFORD}/pets/data/images.tar.gz", f"{THOR}/pets/images.tar.gz"),
        "oxford-iiit-pet/images",
        "tar",
        791_918_971,
        "5c4f3ee8e5d25df40f4fd59a7f44e54c",
        "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
    ),
    File(
        "annotations.tar.gz",
        (f"{OXFORD}/pets/data/annotations.tar.gz", f"{THOR}/pets/annotations.tar.gz"),
        "oxford-iiit-pet/annotations",
        "tar",
        19_173_078,
        "95a8c909bbe2e81eed6a22bccdf3f68f",
        "52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
    ),
)


def _pets(name: str, what: str, classes: int, images: int, options: tuple[tuple[str, object], ...] = ()) -> RealSet:
    return RealSet(
        name,
        title="Oxford-IIIT Pet",
        what=f"{what}; photos by pet owners; the authors' trainval is train and val, their test is test",
        classes=classes,
        images=images,
        licence="CC BY-SA 4.0",
        citation="Parkhi, Vedaldi, Zisserman, Jawahar: Cats and Dogs. CVPR 2012",
        home=f"{OXFORD}/pets/",
        files=PETS,
        source="address and MD5: torchvision; length and SHA-256: TFDS; mirror: where the first address sends us on to",
        meanwhile="dogworld",
        size=192,
        folder="pets",
        options=options,
    )


PHOTO_SETS = (
    _pets("pets", "37 breeds of cats and dogs, about 200 photos each", 37, 7349),
    _pets("pets-species", "cat or dog: the same photos, two classes", 2, 7349, (("task", "species"), ("cats", 500))),
    _pets("pets-dogs", "the 25 breeds of dogs among them", 25, 4978),
    RealSet(
        "imagewoof",
        title="Imagewoof (version 2, 160 px)",
        what="10 breeds of dogs from ImageNet, hard to tell apart; the authors' val is test",
        classes=10,
        images=12_954,
        licence=IMAGENET,
        citation="Howard: Imagewoof, fast.ai 2019; Russakovsky et al.: ImageNet challenge. IJCV 115, 2015",
        home="https://github.com/fastai/imagenette",
        files=(
            File(
                "imagewoof2-160.tgz",
                (f"{FASTAI}/imagewoof2-160.tgz",),
                "imagewoof2-160",
                "tar",
                92_612_825,
                "3d200a7be99704a0d7509be2a9fbfe15",
            ),
        ),
        source="address and length: fastai (fastai/data/checks.txt); MD5: Catalyst (contrib/datasets), not by the authors",
        meanwhile="dogworld",
        size=160,
    ),
    RealSet(
        "imagenette",
        title="Imagenette (version 2, 160 px)",
        what="10 classes of ImageNet that are easy to tell apart; the authors' val is test",
        classes=10,
        images=13_394,
        licence=IMAGENET,
        citation="Howard: Imagenette, fast.ai 2019; Russakovsky et al.: ImageNet challenge. IJCV 115, 2015",
        home="https://github.com/fastai/imagenette",
        files=(
            File(
                "imagenette2-160.tgz",
                (f"{FASTAI}/imagenette2-160.tgz",),
                "imagenette2-160",
                "tar",
                99_003_388,
                "e793b78cc4c9e9a4ccc0c1155377a412",
                "64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5",
            ),
        ),
        source="address and MD5: torchvision; length and SHA-256: TFDS",
        meanwhile="textures",
        size=160,
    ),
    RealSet(
        "hymenoptera",
        title="Hymenoptera",
        what="ants and bees, the photos of PyTorch's tutorial on transfer learning; its val is test",
        classes=2,
        images=397,
        licence="not stated (photos from ImageNet)",
        citation="Chilamkurthy: Transfer Learning for Computer Vision Tutorial, PyTorch",
        home="https://docs.pytorch.org/tutorials/beginner/transfer_learning_tutorial.html",
        files=(
            File(
                "hymenoptera_data.zip",
                ("https://download.pytorch.org/tutorial/hymenoptera_data.zip",),
                "hymenoptera_data",
                "zip",
                47_286_322,
                sha256="fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209",
            ),
        ),
        source="address and SHA-256: the build scripts of pytorch/tutorials; length: the Racket package rktorch",
        meanwhile="dogworld",
        size=192,
    ),
    RealSet(
        "flowers",
        title="Oxford 102 Flowers",
        what="102 kinds of flowers in Britain; the authors' splits: 10 photos a class in train and in val, 6,149 in test",
        classes=102,
        images=8_189,
        licence="not stated",
        citation="Nilsback, Zisserman: Automated flower classification over a large number of classes. ICVGIP 2008",
        home=f"{OXFORD}/flowers/102/",
        files=(
            File(
                "102flowers.tgz",
                (f"{OXFORD}/flowers/102/102flowers.tgz", f"{THOR}/flowers/102/102flowers.tgz"),
                "flowers-102/jpg",
                "tar",
                344_862_509,
                "52808999861908f626f3c1f4e79d11fa",
                "2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246",
            ),
            single(
                "imagelabels.mat",
                (f"{OXFORD}/flowers/102", f"{THOR}/flowers/102"),
                "flowers-102/imagelabels.mat",
                502,
                "e0620be6f572b9609742df49c70aed4d",
                "4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d",
                502,
            ),
            single(
                "setid.mat",
                (f"{OXFORD}/flowers/102", f"{THOR}/flowers/102"),
                "flowers-102/setid.mat",
                14_989,
                "a5357ecc9cb78c4bef273ce3793fc85c",
                "46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd",
                14_989,
            ),
        ),
        source="addresses and MD5: torchvision; lengths and SHA-256: TFDS; mirror: where the first address sends us on to",
        meanwhile="textures",
        size=192,
    ),
    RealSet(
        "eurosat",
        title="EuroSAT (RGB)",
        what="10 kinds of land use from the satellite Sentinel-2, in 64 px; without splits of its own, so 60, 20 and 20 %",
        classes=10,
        images=27_000,
        licence="MIT",
        citation="Helber, Bischke, Dengel, Borth: EuroSAT. IEEE JSTARS 12, 2019",
        home="https://github.com/phelber/EuroSAT",
        files=(
            File(
                "EuroSAT.zip",
                (
                    "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
                    "https://madm.dfki.de/files/sentinel/EuroSAT.zip",
                ),
                "eurosat/2750",
                "zip",
                94_280_567,
                "c8fa014336c82ac7804f0398fcb19387",
                "8ebea626349354c5328b142b96d0430e647051f26efc2dc974c843f25ecf70bd",
            ),
        ),
        source="first address and MD5: torchvision; second address, length and SHA-256: TFDS and torchvision's prototypes",
        meanwhile="textures",
        size=64,
    ),
)
