"""Near-duplicates: the same photo twice, also resized, recompressed, slightly cropped, mirrored, brighter or darker.

    groups = near_duplicates(images.images)      # int64 N: the number of the group, -1 for a picture that is alone

A copy in another split is a leak: a network that has learned the picture by heart scores on it as if it knew the class. Two
steps, both on small grey pictures. Candidates: pictures whose lowest frequencies (a discrete cosine transform, as in
perceptual hashing: Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", section 3.2) point the
same way; the vectors are kept as numbers instead of being cut to bits, for the picture whole and for parts of it. Decision: a
candidate is moved and scaled until it lies best on the other, and must then correlate with it in its coarse light and shade
and in its fine detail: pictures of one style share the first, only copies share the second.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch.nn import functional as F

VERSION = 1  # another number where other groups are found
SIDE = 48  # of the small grey pictures, pixels
LOW = 8  # the lowest LOW x LOW frequencies, but for the mean
# Parts of a picture that a cropped copy may be: (share of the side, shift right, shift down), in shares of the side.
CROPS = (
    (1.0, 0.0, 0.0),
    (0.92, 0.0, 0.0),
    *((0.92, x, y) for x in (-0.04, 0.04) for y in (-0.04, 0.04)),
    (0.84, 0.0, 0.0),
)
ALIKE = 0.90  # cosine of two candidates' low frequencies
# Correlation of light and shade, and of detail, at the best fit. Of 150 photos, resized to half, recompressed at quality 15,
# cropped by up to 8 % at each side, mirrored, made brighter or greyer, all but one copy in 100 had more.
NEEDED = (0.94, 0.78)
# Where many pictures look like PARTNERS others or more (written digits), only copies of the whole picture can be told.
CROWD, NEEDED_IN_CROWD = 0.3, (0.985, 0.95)
FLAT = 3.0  # grey levels of spread; below it a picture has nothing to be compared by
BLOCK = 1024  # pictures compared at a time, so that memory grows with N and not with its square
PAIRS = 512  # candidates fitted at a time
PARTNERS = 6
MOVES = ((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (0.0, 0.0, 1.0))


def near_duplicates(images: torch.Tensor | Iterable[torch.Tensor]) -> np.ndarray:
    """Which pictures are copies of each other.

    Arguments:
        images: uint8 N,3,H,W, or its parts in order, for sets that are larger than the memory.

    Returns int64 N: a number for each group of two or more, in the order of their first pictures; -1 for all others.
    """
    greys, exact = small_greys(images)
    return _groups(len(greys), _links(greys, exact))


def small_greys(images: torch.Tensor | Iterable[torch.Tensor]) -> tuple[torch.Tensor, list[tuple[int, int]]]:
    """Small grey pictures, uint8 N,SIDE,SIDE, and the pairs of pictures with the same pixels."""
    greys, exact, seen = [torch.zeros(0, SIDE, SIDE, dtype=torch.uint8)], [], {}
    row, weights = 0, torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    for part in images.split(64) if isinstance(images, torch.Tensor) else images:
        small = F.interpolate(part, (SIDE, SIDE), mode="bilinear", antialias=True)
        greys.append((small * weights).sum(1).round().byte())  # n,3,H,W -> n,SIDE,SIDE
        for picture in part:
            first = seen.setdefault(hash(picture.contiguous().numpy().tobytes()), row)
            if first != row:
                exact.append((first, row))
            row += 1
    return torch.cat(greys), exact


def _links(greys: torch.Tensor, exact: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs of copies that are enough to hold each group together, those that are given among them."""
    links, root = list(exact), list(range(len(greys)))
    for a, b in links:
        _join(root, a, b)
    if not len(greys):
        return links
    spread = [part.flatten(1).float().std(1) for part in greys.split(BLOCK)]
    textured = (torch.cat(spread) >= FLAT).nonzero().flatten()
    a, b, mirrored, crop, crowded = _candidates(greys[textured])
    a, b = textured[a], textured[b]
    needed = NEEDED_IN_CROWD if crowded else NEEDED
    for start in range(0, len(a), PAIRS):
        here = slice(start, start + PAIRS)
        left = torch.tensor(
            [_find(root, i) != _find(root, j) for i, j in zip(a[here].tolist(), b[here].tolist(), strict=True)]
        )
        rows = left.nonzero().flatten() + start
        good = rows[_same(greys[a[rows]], greys[b[rows]], mirrored[rows], crop[rows], needed)]
        for pair in zip(a[good].tolist(), b[good].tolist(), strict=True):
            links.append(pair)
            _join(root, *pair)
    return links


def _candidates(greys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, bool]:
    """Pairs a, b where b looks as a part of a, the likeliest first, with whether b is mirrored, and which
    part it is; and whether pictures crowd.

    Each picture has at most `PARTNERS` partners in each way of looking: that holds large groups together, and in a set
    where all pictures are alike it keeps the work in proportion to N.
    """
    count, found, crowded = len(greys), [], False
    sign = (-1.0) ** torch.arange(LOW).repeat(LOW, 1)  # mirroring turns the odd frequencies from left to right around
    whole = _low(greys, CROPS[0])
    there = torch.cat([whole, (whole.view(-1, LOW, LOW) * sign).flatten(1)])  # 2N, LOW*LOW
    for number, crop in enumerate(CROPS if count > 1 else ()):
        if crowded:
            break
        seen = whole if number == 0 else _low(greys, crop)
        for here in torch.arange(count).split(max(1, BLOCK * BLOCK // count)):
            alike = seen[here] @ there.T  # n, 2N
            alike[torch.arange(len(here)), here] = alike[torch.arange(len(here)), here + count] = -1.0
            hits = alike >= ALIKE
            many = (hits.sum(1, dtype=torch.int32) > PARTNERS).nonzero().flatten()
            hits[many] &= alike[many] >= alike[many].topk(min(PARTNERS, 2 * count), 1).values[:, -1:]
            row, b = hits.nonzero().T
            found.append(
                torch.stack(
                    [alike[row, b].double(), here[row].double(), b.double(), torch.full_like(b, number).double()]
                )
            )
        if number == 0:
            partners = torch.bincount(torch.cat([part[1] for part in found]).long(), minlength=count)
            crowded = count >= 100 and (partners >= PARTNERS).double().mean() > CROWD
    if not found:
        return (*(torch.zeros(0).long(),) * 3, torch.zeros(0, 3), False)
    likeness, a, b, number = torch.cat(found, 1)
    a, b, number = a.long(), b.long(), number.long()
    order = likeness.argsort(descending=True, stable=True)
    # Of all ways in which the same two pictures were found alike, the best one is tried.
    first = np.unique(_name(a, b, count)[order].numpy(), return_index=True)[1]
    kept = order[np.sort(first)]
    return a[kept], b[kept] % count, b[kept] >= count, torch.tensor(CROPS)[number[kept]], crowded


def _name(a: torch.Tensor, b: torch.Tensor, count: int) -> torch.Tensor:
    """One number for two pictures, whichever comes first, mirrored or not apart."""
    low, high = torch.minimum(a, b % count), torch.maximum(a, b % count)
    return (low * count + high) * 2 + (b >= count)


def _low(greys: torch.Tensor, crop: tuple[float, float, float]) -> torch.Tensor:
    """The lowest frequencies of a part of each picture, without the mean and of length 1: n,SIDE,SIDE -> n,LOW*LOW."""
    share, right, down = crop
    across, along = (_cosines() @ _stretch(share, shift) for shift in (right, down))  # LOW,SIDE
    low = torch.cat([along @ part.float() @ across.T for part in greys.split(BLOCK)]).flatten(1)
    low[:, 0] = 0
    return F.normalize(low)


def _cosines() -> torch.Tensor:
    """The first waves of the discrete cosine transform (type II), LOW,SIDE."""
    places = (torch.arange(SIDE) + 0.5) / SIDE
    return torch.cos(torch.pi * torch.arange(LOW)[:, None] * places)


def _stretch(share: float, shift: float) -> torch.Tensor:
    """The matrix SIDE,SIDE that looks up a part of a line of pixels, at full length, between neighbours linearly."""
    places = ((torch.arange(SIDE) + 0.5) / SIDE - 0.5) * share + 0.5 + shift
    places = (places * SIDE - 0.5).clamp(0, SIDE - 1)
    return (1 - (places[:, None] - torch.arange(SIDE)).abs()).clamp(min=0)


def _same(
    a: torch.Tensor, b: torch.Tensor, mirrored: torch.Tensor, fits: torch.Tensor, needed: tuple[float, float]
) -> torch.Tensor:
    """Whether each b is a copy of its a, bool n. The fit begins where the candidates were found, and is mended step by step."""
    a, b = a.float(), torch.where(mirrored[:, None, None], b.flip(-1), b).float()
    good, rows = torch.zeros(len(a), dtype=torch.bool), torch.arange(len(a))
    if not len(rows):
        return good
    for side, steps, enough in (
        (SIDE // 2, (), 0.5),
        (SIDE // 2, (0.04, 0.02), needed[0] - 0.1),
        (SIDE, (0.01, 0.01), needed[0]),
    ):
        fits[rows], best = _mended(_scaled(a[rows], side), _scaled(b[rows], side), fits[rows], steps)
        rows = rows[best >= enough]
        if not len(rows):
            return good
    fine = _correlation(_detail(_moved(a[rows], fits[rows])), _detail(b[rows]))
    good[rows[fine >= needed[1]]] = True
    return good


def _scaled(greys: torch.Tensor, side: int) -> torch.Tensor:
    return F.adaptive_avg_pool2d(greys, side)


def _mended(
    a: torch.Tensor, b: torch.Tensor, fits: torch.Tensor, steps: tuple[float, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Better fits of a on b, and the correlation there."""
    best = _correlation(_moved(a, fits), b)
    for step in steps:
        for move in torch.tensor(MOVES) * step:
            tried = fits + move
            found = _correlation(_moved(a, tried), b)
            better = (found > best) & (tried[:, 0] > 0.75) & (tried[:, 0] <= 1.02)
            fits, best = torch.where(better[:, None], tried, fits), torch.where(better, found, best)
    return fits, best


def _moved(greys: torch.Tensor, fits: torch.Tensor) -> torch.Tensor:
    """Each picture scaled and moved as its row of fits (share, shift right, shift down) says: n,side,side."""
    share, right, down = (fits.T[i][:, None, None] for i in range(3))
    places = (2 * torch.arange(greys.shape[-1]) + 1) / greys.shape[-1] - 1  # grid_sample counts from -1 to 1
    across, along = places[None, None, :] * share + 2 * right, places[None, :, None] * share + 2 * down
    grid = torch.stack(torch.broadcast_tensors(across, along), -1)
    return F.grid_sample(greys[:, None], grid, padding_mode="border", align_corners=False)[:, 0]


def _correlation(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Pearson's r of each pair of pictures, without the outermost pixels: n."""
    a, b = (x[:, 2:-2, 2:-2].flatten(1) for x in (a, b))
    a, b = (x - x.mean(1, keepdim=True) for x in (a, b))
    return F.cosine_similarity(a, b)


def _detail(greys: torch.Tensor) -> torch.Tensor:
    """What a picture has beyond its surroundings of 5 x 5 pixels."""
    return greys - F.avg_pool2d(greys[:, None], 5, 1, 2, count_include_pad=False)[:, 0]


def _groups(count: int, links: Iterable[tuple[int, int]]) -> np.ndarray:
    """Numbers of the groups that links make, -1 for what no link touches."""
    root = list(range(count))
    for a, b in links:
        _join(root, a, b)
    roots = np.array([_find(root, row) for row in range(count)], dtype=np.int64)
    numbers = np.full(count, -1, dtype=np.int64)
    for number, first in enumerate(np.flatnonzero(np.bincount(roots, minlength=count) > 1)):
        numbers[roots == first] = number
    return numbers


def _find(root: list[int], row: int) -> int:
    while root[row] != row:
        root[row] = row = root[root[row]]
    return row


def _join(root: list[int], a: int, b: int) -> None:
    first, second = sorted((_find(root, a), _find(root, b)))
    root[second] = first
