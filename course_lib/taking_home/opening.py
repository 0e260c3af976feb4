"""`open_model`: a model that was taken home, ready to be asked, from its file alone.

    model = open_model("dogs.safetensors")
    model.predict("holiday/")                 # files, folders: a row a file
    model.say(images)                         # uint8 N,3,H,W: an Answer a picture
    model.scores(images)                      # calibrated probabilities, float32 N,classes
    model.card                                # how well, on what, when not to trust it

Whatever a file says is looked at before it is used: the seal over its bytes, the card, the head against the classes, and
the scores of two example pictures against those that were written down at the export.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from ..cache.memory import in_parts
from ..errors import CourseError
from ..models import load
from ..network import Network
from ..pictures.found import printable
from ..surgery.replace import restore
from .calibration import calibrated
from .card import Card, check_card
from .exporting import example
from .familiar import Familiar
from .measuring import NOT_MEASURED, Measured, look
from .model_file import Held, read_model

if TYPE_CHECKING:
    from .predicting import Predictions

NONE = "none of these"
UNLIKE = "unlike all pictures it learned from"
ALIKE = 1e-3  # of the largest score: how far scores may be from those of the machine that exported


class Answer(NamedTuple):
    """What a model says of a picture.

    Attributes:
        label: name of a class, or "none of these".
        probability: calibrated, 0 to 1, of the likeliest class, also where the label is "none of these".
        ranked: (class, probability) from the likeliest on, all classes.
        reason: why it is none of these; empty where it is one.
    """

    label: str
    probability: float
    ranked: tuple[tuple[str, float], ...]
    reason: str = ""


@dataclass(frozen=True, eq=False)
class TakenHome:
    """A model from a file, with its card.

    Attributes:
        net: the network, working in float32.
        card: what its file says of it.
        measured: how confidence is made of scores, and which pictures are refused.
    """

    net: Network
    card: Card
    measured: Measured

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the probabilities."""
        return self.net.classes

    @property
    def size(self) -> int:
        """Height and width of the pictures that it is asked about, in pixels."""
        return self.card["pictures"]["size"]

    @property
    def temperature(self) -> float:
        """Scores are divided by it; 1 where nothing was calibrated."""
        return self.measured.temperature

    @property
    def threshold(self) -> float | None:
        """Answers with less confidence (0 to 1) are "none of these"; None for never."""
        return self.measured.threshold

    def __repr__(self) -> str:
        said = " ".join(self.card.sentences())
        return printable(
            f"TakenHome {self.net.name}, {len(self.classes)} classes ({', '.join(self.classes[:12])}). {said}"
        )

    def _repr_html_(self) -> str:
        return self.card._repr_html_()

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        """Calibrated probabilities float32 N,classes of uint8 images N,3,H,W; each row sums to 1."""
        return calibrated(self._look(images)[0], self.temperature)

    def say(self, images: torch.Tensor) -> list[Answer]:
        """An answer for each of uint8 images N,3,H,W. Images of another size than `size` are scaled to it."""
        scores, features = self._look(images)
        if not len(scores):
            return []
        unsure, unlike = self.measured.refused(scores, features)
        rows = zip(calibrated(scores, self.temperature).tolist(), unsure.tolist(), unlike.tolist(), strict=True)
        return [self._answer(*row) for row in rows]

    def predict(self, files: str | Path | Iterable[str | Path]) -> Predictions:
        """What it says of files; a row each, with an answer or with what is wrong and what to do.

        Arguments:
            files: a path or several; of a folder all files below it.

        Raises `CourseError` for what is no path. What files hold never raises.
        """
        from .predicting import predict

        return predict(self, files)

    def _look(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if (
            not isinstance(images, torch.Tensor)
            or images.dtype != torch.uint8
            or images.ndim != 4
            or images.shape[1] != 3
        ):
            given = (
                f"{images.dtype} of shape {tuple(images.shape)}"
                if isinstance(images, torch.Tensor)
                else type(images).__name__
            )
            raise CourseError(
                f"A model is asked about uint8 images N,3,H,W, values 0 to 255; received {given}. For files, use predict."
            )
        if not len(images):
            return torch.zeros(0, len(self.classes)), torch.zeros(0, 2)
        rows = torch.arange(len(images))
        parts = [
            found
            for _, found in in_parts(lambda part: look(self.net, self._sized(images[part])), rows, self.net.device)
        ]
        return torch.cat([scores for scores, _ in parts]), torch.cat([features for _, features in parts])

    def _sized(self, images: torch.Tensor) -> torch.Tensor:
        if images.shape[-2:] == (self.size, self.size):
            return images
        scaled = F.interpolate(
            images.float(), (self.size, self.size), mode="bilinear", antialias=True, align_corners=False
        )
        return scaled.round().clamp(0, 255).to(torch.uint8)

    def _answer(self, probabilities: list[float], unsure: bool, unlike: bool) -> Answer:
        pairs = sorted(zip(self.classes, probabilities, strict=True), key=lambda pair: -pair[1])
        (first, most), (second, next_) = pairs[:2]
        reason = f"not sure between {first} ({most:.0%}) and {second} ({next_:.0%})" if unsure else ""
        reason = UNLIKE if unlike else reason
        return Answer(NONE if reason else first, most, tuple(pairs), reason)


def open_model(path: str | Path, model: nn.Module | Network | None = None) -> TakenHome:
    """Open a model that `net.export` wrote.

    Arguments:
        path: the .safetensors file.
        model: only for a network that no name builds: an `nn.Module` with the same layers (`MyNet()`), or a Network made by
            the same calls as the one that was exported; its weights do not matter.

    Raises `CourseError` for a file that is missing, damaged, of another kind, or says of itself what is not so.
    """
    path = Path(path).expanduser()
    held, name = read_model(path), printable(path.name)
    card = check_card(held.card, name)
    net = _build(path, card, model, name)
    if list(net.classes) != card["classes"]:
        raise CourseError(
            f"The head in {name} is for {len(net.classes)} classes, its card names others. Get the file again."
        )
    net = replace(net, precision=torch.float32, origin=card["origin"])
    _check_example(net, card, held, name)
    found = TakenHome(net, card, _measured(card, held, name))
    if card["calibration"] == NOT_MEASURED:
        warnings.warn(
            f"{name}: {' '.join(card.sentences())} Export it with images (`net.export(path, images)`) to have that.",
            stacklevel=2,
        )
    return found


def _build(path: Path, card: Card, model: Any, name: str) -> Network:
    if card["built_by"] == "name":
        if model is not None:
            raise CourseError(f"{name} holds {card['model']}, which its name builds; leave model= out.")
        return load(card["model"], weights=path)
    if isinstance(model, Network):
        return restore(model, path)
    if isinstance(model, nn.Module):
        return load(model, weights=path)
    raise CourseError(
        f"{name} holds {printable(card['model'])} with layers that no name builds ({printable(card['origin'])}); a file cannot bring "
        "code along. Make the same layers and give them: open_model(path, model=MyNet()), or model= a Network made by the same "
        "calls (load, new_head, replace_blocks, join_blocks)."
    )


def _check_example(net: Network, card: Card, held: Held, name: str) -> None:
    """Compare with the scores that were written down. Raises `CourseError` where they differ."""
    written = held.more.get("example_scores")
    scores = look(net, example(card["pictures"]["size"]))[0]
    fits = written is not None and written.shape == scores.shape and written.is_floating_point()
    if not fits or not bool(((scores - written).abs() <= ALIKE * written.abs().max().clamp(min=1)).all()):
        raise CourseError(
            f"The network built for {name} does not give the scores that the file was written with: its layers or its preparation "
            "are not those of the export. Give the same layers with model=, or get the file again."
        )


def _measured(card: Card, held: Held, name: str) -> Measured:
    calibration = (
        card["calibration"] if card["calibration"] != NOT_MEASURED else {"temperature": 1.0, "threshold": None}
    )
    return Measured(float(calibration["temperature"]), calibration["threshold"], _familiar(card, held, name))


def _familiar(card: Card, held: Held, name: str) -> Familiar | None:
    if card["familiar"] == NOT_MEASURED:
        return None
    try:
        known = Familiar(
            **{key: held.more[key] for key in ("means", "directions", "variances", "lengths")},
            limit=card["familiar"]["limit"],
        )
        known.check(len(card["classes"]))
    except (KeyError, ValueError) as error:
        raise CourseError(
            f"What {name} knows of its training pictures makes no sense ({error}). Get the file again."
        ) from error
    return known
