"""The real sets that the course can fetch: what each is, what it may be used for, where it lives, how it is checked.

    entry = REAL_SETS["pets"]
    entry.licence, entry.bytes, entry.files[0].md5

No address or checksum here was made up: each entry says where they are from. `torchvision` means the source of
torchvision.datasets (0.21 to 0.30); `TFDS` the checksum lists of TensorFlow Datasets, which also state lengths. They were
copied from there, not tried from here. Only https is used, so where torchvision names an http address, the same host or
another home of the same file is asked by https; the checksum decides whether it is the file.
"""

from __future__ import annotations

from .photo_sets import PHOTO_SETS
from .pixel_sets import PIXEL_SETS

REAL_SETS = {entry.name: entry for entry in (*PHOTO_SETS, *PIXEL_SETS)}
