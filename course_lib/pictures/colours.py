"""Any kind of pixels as 8-bit RGB in the colours of a screen (sRGB): palettes, transparency, 16 bits, CMYK, profiles.

    image = to_rgb(image)                        # mode RGB, or CMYK and LAB where a colour profile does the rest
    image = to_srgb(image, profile)              # an iPhone's Display P3, a printer's CMYK: as a screen would show it

Two steps, since the second one is slow and is done after the picture was scaled down.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

LARGEST_PROFILE = 4 << 20  # bytes; real ones have up to 2 MB


def to_rgb(image: Image.Image, profile: bytes | None = None) -> Image.Image:
    """The picture in 8 bits a channel: RGB; CMYK stays where it brings a profile, LAB stays. Transparent becomes white."""
    if image.mode == "LAB" or (image.mode == "CMYK" and profile):
        return image
    if image.has_transparency_data:
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        sixteen = image.mode.startswith("I;16") or image.format == "PNG"
        return Image.fromarray(_eight_bits(np.asarray(image), sixteen)).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(values: np.ndarray, sixteen: bool) -> np.ndarray:
    """Grey values as uint8 H,W.

    16 bits: 65535 is white. Other numbers have no white that is agreed on: fractions from 0 to 1, whole numbers to 255
    or to 65535 are what they seem to be; of all others the darkest becomes black and the brightest white.
    """
    whole = values.dtype.kind in "iu"
    with np.errstate(invalid="ignore"):  # of NaNs there is a kind that numpy warns of
        values = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and (sixteen or high <= 65535):
        low, high = 0.0, 65535.0 if sixteen or high > 255 else 255.0 if whole or high > 1 else 1.0
    return np.rint((values - low) * (255 / max(high - low, 1e-300))).clip(0, 255).astype(np.uint8)


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture in RGB as a screen shows it; a profile that is broken, or of other channels, is passed over."""
    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _from_lab())
    if profile and len(profile) <= LARGEST_PROFILE:
        try:
            transform = _transform(profile, image.mode)
            if transform is not None:
                return ImageCms.applyTransform(image, transform)
        except Exception:  # the colours are then a little off, which is better than no picture
            pass
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(16)  # photos of one camera share a profile; making this takes longer than using it
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What turns colours of this profile into sRGB; None where they are that."""
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if mode == "RGB" and "srgb" in ImageCms.getProfileDescription(opened).lower():
        return None
    return ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")


@lru_cache(1)
def _from_lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
