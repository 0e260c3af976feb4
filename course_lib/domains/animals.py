"""Domain: which animals are seen, and how. Pan and Yang's D = {X, P(X)}, with knobs.

    night = Domain("target", light="night", camera="cheap")
    night.images("pose", per_class=20)          # an ImageSet; the task is asked of the same pictures
    Domain("target").images("breed")            # the very pixels of dogworld("target")

dogworld draws an animal in layers and has ways to see them: sketch, night, thermal, snow, camera. A domain here is a chain of
these, in the order in which light would pass: weather, light, camera, pencil. Light and background can also be set in the
table of factors, before a pixel is drawn. Reference: S. J. Pan and Q. Yang, A Survey on Transfer Learning, IEEE Transactions
on Knowledge and Data Engineering 22(10), 2010, section 2.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
import torch

from ..errors import CourseError
from ..images import ImageSet, stratified_splits
from ..sources.chunks import draw_in_chunks
from ..sources.dogworld import DOMAINS, breeds
from ..sources.dogworld.draw import draw_layers
from ..sources.dogworld.factors import draw_factors, image_streams
from ..sources.dogworld.scenes import SCENES
from ..sources.dogworld.store import recall, remember
from .tasks import labels_of, task_classes

KNOBS: dict[str, tuple[str, ...]] = {
    "animals": ("source", "target"),
    "style": ("photo", "sketch"),
    "light": ("day", "evening", "night"),
    "camera": ("good", "cheap", "heat"),
    "background": ("any", *SCENES, "snowfall"),
}
SIZES = (32, 64)  # pixels
SHARES = {"train": 0.5, "val": 0.1, "test": 0.4}
EVENING = {"light": (0.62, 0.80), "warmth": (0.6, 1.0)}  # where a day has 0.70 to 1.25 and -1 to 1
DAY = {"light": (0.70, 1.25), "warmth": (-1.0, 1.0)}
VERSION = 1  # of the pictures in the cache: raise it where the chain or the evening changes
PART = 64  # images drawn before it is said how far the work is

Table = Mapping[str, np.ndarray]
Streams = list[tuple[int, ...]]


@dataclass(frozen=True)
class Domain:
    """Which animals are seen, and how.

    Arguments:
        animals: `source`, 40 breeds, or `target`, 10 others.
        cats: whether there are cats among them, as many as dogs.
        style: `photo`, or `sketch`: in pencil, no colour.
        light: `day`: as dogworld draws it; `evening`: dim and orange; `night`: blue, one lamp.
        camera: `good`, `cheap`: soft, greenish, hard contrast; or `heat`: warm bodies, no coat can be seen.
        background: one scene for all pictures, `any` of them, or `snowfall` in any of them.
        size: edge of the pictures in pixels, 32 or 64. Another size is another feature space.
        seed: of the pictures, 0 or more; the breeds are always the same.

    Raises `CourseError` for a setting that is not allowed.
    """

    animals: str = "target"
    cats: bool = False
    style: str = "photo"
    light: str = "day"
    camera: str = "good"
    background: str = "any"
    size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (*KNOBS.items(), ("size", SIZES), ("cats", (False, True))):
            value = getattr(self, name)
            if value not in allowed or isinstance(value, bool) != (name == "cats"):
                raise CourseError(
                    f"A domain received {name}={value!r}; allowed are {', '.join(map(str, allowed))}. Choose one."
                )
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0:
            raise CourseError(f"A domain received seed={self.seed!r}; it is a whole number from 0.")

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways of dogworld to see, in order."""
        chain = ["snow"] * (self.background == "snowfall") + ["night"] * (self.light == "night")
        chain += {"good": [], "cheap": ["camera"], "heat": ["thermal"]}[self.camera]
        chain += ["sketch"] * (self.style == "sketch")
        return tuple(chain) or ("photo",)

    @property
    def words(self) -> str:
        """What is seen, for a reader: `photos of the 10 target breeds by night`."""
        what = "sketches" if self.style == "sketch" else "photos"
        who = f"the {len(breeds(self.animals))} {self.animals} breeds" + (" and cats" if self.cats else "")
        how = {"day": "", "evening": " in the evening", "night": " by night"}[self.light]
        how += {"good": "", "cheap": " through a cheap camera", "heat": " through a heat camera"}[self.camera]
        how += {"any": "", "snowfall": " in snowfall", "room": " in a room"}.get(
            self.background, f" with the background {self.background}"
        )
        return f"{what} of {who}{how}" + (f", {self.size} px" if self.size != 64 else "")

    @property
    def code(self) -> str:
        """The line that makes this domain."""
        told = [f.name for f in fields(self) if f.name != "animals" and getattr(self, f.name) != f.default]
        return f"Domain({', '.join([repr(self.animals), *(f'{n}={getattr(self, n)!r}' for n in told)])})"

    def differs(self, other: Domain) -> list[str]:
        """The knobs that stand otherwise in another domain, in words; the seed is none."""
        names = [f.name for f in fields(self) if f.name != "seed" and getattr(self, f.name) != getattr(other, f.name)]
        return [f"{name}: {_say(getattr(self, name))}, then {_say(getattr(other, name))}" for name in names]

    def table(self, per_class: int) -> tuple[dict[str, np.ndarray], Streams]:
        """Factors (name -> N values) and random streams of `per_class` animals of each breed, and as many cats as dogs."""
        cats = per_class * len(breeds(self.animals)) * self.cats
        table = dict(_factors(self.animals, per_class, cats, self.seed))
        if self.light == "evening":
            for name, (low, high) in EVENING.items():
                least, most = DAY[name]
                table[name] = (low + (table[name] - least) * (high - low) / (most - least)).round(4)
        if self.background in SCENES:
            table["scene"] = np.full(len(table["scene"]), self.background)
        return table, image_streams(self.animals, per_class, cats, self.seed)

    def draw(self, table: Table, streams: Streams) -> torch.Tensor:
        """The pictures of some rows of a table: uint8 N,3,S,S."""
        images = torch.empty(len(streams), 3, self.size, self.size, dtype=torch.uint8)

        def draw_chunk(rows: slice) -> None:
            images[rows] = _see(self, {name: column[rows] for name, column in table.items()}, streams[rows])

        draw_in_chunks(draw_chunk, len(streams), 6, None)
        return images

    def drawing(
        self, task: str = "breed", per_class: int = 20, shares: Mapping[str, float] = SHARES
    ) -> Generator[tuple[int, int], None, ImageSet]:
        """As `images`, in parts: yields (images drawn, images in all), returns the `ImageSet`."""
        if not isinstance(per_class, int) or isinstance(per_class, bool) or per_class < 3:
            raise CourseError(f"A domain was asked for per_class={per_class!r}; it is a whole number from 3.")
        classes = task_classes(task, self.animals, self.cats)
        if task == "species" and not self.cats:
            raise CourseError("The task 'species' needs cats among the animals; received cats=False. Use cats=True.")
        table, streams = self.table(per_class)
        request = self._request(per_class, len(streams))
        images = recall(request, (len(streams), 3, self.size, self.size))
        if images is None:
            parts = []
            for start in range(0, len(streams), PART):
                rows = slice(start, start + PART)
                parts.append(self.draw({name: column[rows] for name, column in table.items()}, streams[rows]))
                yield min(start + PART, len(streams)), len(streams)
            images = torch.cat(parts)
            remember(request, images)
        breed, _ = labels_of(table, "breed", task_classes("breed", self.animals, self.cats))
        labels, _ = labels_of(table, task, classes)
        return ImageSet(
            name=f"{self.words}: {task}",
            images=images,
            labels=torch.from_numpy(labels),
            classes=classes,
            splits=stratified_splits(breed.tolist(), shares, self.seed),
            factors=table,
        )

    def images(self, task: str = "breed", per_class: int = 20, shares: Mapping[str, float] = SHARES) -> ImageSet:
        """Draw the domain's pictures (or fetch them from the cache), labelled by a task.

        Arguments:
            task: one of `TASKS`; changes the labels and nothing else.
            per_class: animals of each breed, 3 or more; with cats there are as many cats as dogs.
            shares: of the splits, each breed cut alike.
        """
        work = self.drawing(task, per_class, shares)
        while True:
            try:
                next(work)
            except StopIteration as end:
                return end.value

    def sample(self, count: int = 12) -> tuple[dict[str, np.ndarray], Streams]:
        """Rows to look at: animals of as many breeds as there are, evenly; a third of them cats where there are some."""
        kinds = len(breeds(self.animals))
        dogs = count - count // 3 * self.cats
        table, streams = self.table(max(1, -(-dogs // kinds)))
        per_class = max(1, -(-dogs // kinds))
        order = [(i * kinds // min(dogs, kinds)) % kinds * per_class + i // kinds for i in range(dogs)]
        rows = order + [kinds * per_class + i for i in range(count - dogs)]
        return {name: column[rows] for name, column in table.items()}, [streams[row] for row in rows]

    def draw_at_random(self, count: int) -> tuple[dict[str, np.ndarray], Streams]:
        """Rows as they come: each animal's breed is drawn anew, so the rows are independent, as tests take them to be."""
        kinds = len(breeds(self.animals))
        generator = np.random.default_rng((self.seed, 7))
        cat = (generator.random(count) < 0.5) & self.cats
        kind = np.where(cat, kinds, generator.integers(0, kinds, count))
        number = np.zeros(count, int)  # how many of its kind came before
        for k in range(kinds + 1):
            number[kind == k] = np.arange((kind == k).sum())
        dogs = number[~cat]
        per_class = max(1, int(dogs.max()) + 1 if len(dogs) else 1, -(-int(cat.sum()) // kinds))
        table, streams = self.table(per_class)
        rows = (kind * per_class + number).tolist()  # cats stand last, in one row after the other
        return {name: column[rows] for name, column in table.items()}, [streams[row] for row in rows]

    def _request(self, per_class: int, count: int) -> dict[str, str | int]:
        """What the cache knows the pictures by; where dogworld draws the same ones, its own words for them."""
        cats = count - per_class * len(breeds(self.animals))
        request = {"which": self.animals, "domain": "+".join(self.ways), "seed": self.seed, "cats": cats}
        request |= {"per_class": per_class, "size": self.size}
        own = self.light == "evening" or self.background in SCENES or len(self.ways) > 1
        return request | ({"light": self.light, "background": self.background, "chain": VERSION} if own else {})


def _see(domain: Domain, table: Table, streams: Streams) -> torch.Tensor:
    layers = draw_layers(table, streams, domain.size)
    numbers = {name: torch.from_numpy(column).float() for name, column in table.items() if column.dtype.kind == "f"}
    picture = layers.photo
    for way in domain.ways:  # what one way made is what the next one sees
        picture = DOMAINS[way](replace(layers, photo=picture.clamp(0.0, 1.0)), numbers)
    return (picture.clamp(0.0, 1.0) * 255.0 + 0.5).floor().to(torch.uint8)


@lru_cache(maxsize=32)
def _factors(animals: str, per_class: int, cats: int, seed: int) -> dict[str, np.ndarray]:
    return draw_factors(animals, per_class, cats, seed)


def _say(value: str | int | bool) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
