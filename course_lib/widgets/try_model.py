"""TryModel: pictures dropped on a model, pasted, or taken with the camera, and what it says of them.

    TryModel("dogs.safetensors")                  # a model that was taken home with net.export
    TryModel(cl.open_model("dogs.safetensors"))   # the same
    tried = TryModel(net)                         # a network as it is: no calibration, and no "none of these"
    tried.add("rex.jpg")                          # the same from code
    tried.answers                                 # what it has said: name, label, probability, ranked

`course try dogs.safetensors` shows it on a page of its own. Pictures go to the kernel on this machine, and are not kept.
"""

from __future__ import annotations

import base64
import io
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import traitlets
from PIL import Image

from .. import plots
from ..errors import CourseError
from ..network import Network
from ..pictures.found import printable
from ..pictures.kinds import NO_PICTURE
from ..pictures.reading import read_picture
from .answering import words_picture
from .incoming import File, Receiving, receiving_front
from .run import Live

KEPT = 24  # answers that are shown
RANKED = 5  # classes of an answer that are shown
LIVE = "live"  # label of the camera's pictures while it answers live
NONE = "none of these"


class Said(NamedTuple):
    """What a model said of a picture: class or "none of these", probability 0 to 1, (class, probability) from the likeliest on, why."""

    name: str
    label: str
    probability: float
    ranked: tuple[tuple[str, float], ...]
    reason: str


class Shown(Live):
    """What the page shows; `now` is the answer to the camera's picture while it answers live."""

    now = traitlets.Dict().tag(sync=True)


class TryModel(Receiving):
    """A model and a place to drop pictures on.

    Arguments:
        model: a path (opened by `cl.open_model`), what that gives, or a Network.

    Attributes:
        model: what answers. answers: of the last pictures, the newest first.

    Raises `CourseError` where there is no such model.
    """

    _esm, _css = receiving_front("try_model", "camera")
    commands = ("clear", "cancel", "unreadable")
    shows = Shown

    def __init__(self, model: Any) -> None:
        self.model = opened(model)
        self.size = seen_size(self.model)
        self.answers: list[Said] = []
        self._entries: list[dict[str, Any]] = []
        self._count = 0
        super().__init__()
        works, doubts = how_well(self.model)
        classes = list(self.model.classes)
        self.about = {"name": _name(model, self.model), "classes": classes, "works": works, "doubts": doubts}
        self.live.show(status=self.sentence(), about=self.about, size=self.size, entries=[])

    def add(self, picture: str | Path | bytes, name: str | None = None) -> Said:
        """Ask the model about a picture from code: a path, or a file's bytes.

        Raises `CourseError` where it is no picture.
        """
        if not isinstance(picture, bytes):
            try:
                picture, name = Path(picture).expanduser().read_bytes(), name or Path(picture).name
            except OSError as error:
                raise CourseError(f"{picture} could not be read ({error.strerror}). Check the path.") from error
        made: list[dict[str, Any]] = []
        file = File(name or "picture", "", picture)
        self.worker.ask(lambda: made.append(self._answer(file)))
        self.join()
        if made[0]["problem"]:
            raise CourseError(f"{made[0]['name']}: {made[0]['problem']}.")
        return self.answers[0]

    def arrived(self, file: File) -> str:
        """Answer for a picture from the page; a sentence where it is none."""
        return self._answer(file)["problem"]

    def refused(self, name: str, label: str, why: str) -> None:
        """Note a file that did not come completely."""
        if label != LIVE:
            self._note({"name": printable(name), "problem": why.rstrip(".")})

    def clear(self) -> None:
        """Forget all answers."""
        self.worker.ask(self._clear)

    def sentence(self) -> str:
        """The last answer in words."""
        if not self.answers:
            return f"Drop a picture: the model says which of {len(self.model.classes)} classes it shows."
        said = self.answers[0]
        if said.label == NONE:
            return f"{said.name}: none of these" + (f"; {said.reason}." if said.reason else ".")
        return f"{said.name}: {said.label}, {100 * said.probability:.0f} %."

    def picture(self) -> plots.Picture:
        """The last picture beside its answer; words where there is none yet."""
        entry = next((entry for entry in self._entries if not entry["problem"]), None)
        if entry is None or not self.answers:
            lines = [(f"Try {self.about['name']}", "bold"), (f"Classes: {', '.join(self.about['classes'])}.", "plain")]
            lines += [(text, "plain") for text in self.about["works"]]
            lines.append(("Drop a picture here in JupyterLab, or with: course try MODEL", "soft"))
            return words_picture(lines, f"A place to try {self.about['name']}: {', '.join(self.about['classes'])}.")
        fig, axes = plots.figure(7.0, 2.3, 1, 2, gridspec_kw={"width_ratios": [1, 2]})
        axes[0][0].axis("off")
        axes[0][0].imshow(Image.open(io.BytesIO(base64.b64decode(entry["square"].partition(",")[2]))))
        axes[0][0].set_title(entry["name"][:28].replace("$", r"\$"), fontsize=9)
        names, shares = zip(*entry["ranked"], strict=True)
        axis, places = axes[0][1], np.arange(len(names))
        axis.barh(places, [100 * share for share in shares], color=plots.BLUE)
        axis.set_yticks(places, [name[:24].replace("$", r"\$") for name in names])
        axis.set(xlim=(0, 118), xlabel="probability (%)")
        axis.invert_yaxis()
        for place, share in zip(places, shares, strict=True):
            axis.text(100 * share + 1, place, f"{100 * share:.0f} %", va="center", fontsize=9)
        axis.set_title(f"says: {entry['label']}".replace("$", r"\$"), fontsize=10)
        return plots.Picture(fig, self.sentence())

    def _answer(self, file: File) -> dict[str, Any]:
        """Read a picture as the network takes it, ask the model, show the answer."""
        name, is_live = printable(file.name), file.label == LIVE
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture"
            path.write_bytes(file.data)
            read = read_picture(path, self.size)
        if read.pixels is None:
            remedy = "" if read.remedy == NO_PICTURE else f"; {read.remedy}"  # there is no folder here
            entry = {"name": name, "problem": f"{read.reason}{remedy}"}
            if not is_live:
                self._note(entry)
            return entry
        images = torch.from_numpy(read.pixels).permute(2, 0, 1)[None]  # H,W,3 -> 1,3,H,W
        (answer,) = self.model.say(images)
        said = Said(name, answer.label, float(answer.probability), _ranked(answer), _reason(answer))
        entry = {
            "name": name, "problem": "", "label": said.label, "none": said.label == NONE, "probability": said.probability,
            "ranked": [list(pair) for pair in said.ranked[:RANKED]], "reason": said.reason, "square": _data_url(read.pixels),
        }  # fmt: skip
        if is_live:
            self.live.show(now=entry)
        else:
            self.answers = [said, *self.answers][:KEPT]
            self._note(entry)
        return entry

    def _note(self, entry: dict[str, Any]) -> None:
        self._count += 1
        self._entries = [{**entry, "id": self._count}, *self._entries][:KEPT]
        status = f"{entry['name']}: {entry['problem']}." if entry["problem"] else self.sentence()
        self.live.show(entries=list(self._entries), status=status)

    def _clear(self) -> None:
        self._entries, self.answers = [], []
        self.live.show(entries=[], status=self.sentence())


class _Plain:
    """A network as it is, with the answers of a softmax."""

    def __init__(self, net: Network) -> None:
        self.net, self.classes, self.card = net, net.classes, {}

    def say(self, images: torch.Tensor) -> list[Said]:
        """An answer for each of the images, uint8 N,3,H,W."""
        answers = []
        for row in self.net(images).float().softmax(1).cpu().tolist():
            ranked = tuple(sorted(zip(self.classes, row, strict=True), key=lambda pair: -pair[1]))
            answers.append(Said("", *ranked[0], ranked, ""))
        return answers


def opened(model: Any) -> Any:
    """What answers: a path is opened, a network wrapped. Raises `CourseError` for anything that cannot answer."""
    if isinstance(model, (str, Path)):
        from ..taking_home import open_model

        with warnings.catch_warnings():  # what it warns of is on its card, which is shown
            warnings.simplefilter("ignore", UserWarning)
            return open_model(model)
    if isinstance(model, Network):
        return _Plain(model)
    if not isinstance(getattr(model, "say", None), Callable):
        raise CourseError(
            f"TryModel needs a path, a model of `cl.open_model`, or a Network; received {type(model).__name__}."
        )
    return model


def seen_size(model: Any) -> int:
    """Height and width in pixels at which a model sees pictures."""
    net, card = getattr(model, "net", None), getattr(model, "card", None)
    if card:
        return card["pictures"]["size"]
    return getattr(net, "size", None) or max(64, getattr(net, "smallest", 1))


def how_well(model: Any) -> tuple[list[str], list[str]]:
    """What a model's card says on how well it works, in sentences; and when not to trust it."""
    card = getattr(model, "card", None)
    if not card:
        return ["A network as it is: how good it is was not noted, and it never says 'none of these'."], []
    first, *more = card.sentences()
    return [first, f"It learned from {dict(card.rows())['learned from']}."], [
        *more,
        *(f"Do not trust it {doubt}." for doubt in card.doubts()),
    ]


def _name(given: Any, model: Any) -> str:
    if isinstance(given, (str, Path)):
        return printable(Path(given).name)
    return getattr(getattr(model, "net", None), "name", None) or type(model).__name__


def _ranked(answer: Any) -> tuple[tuple[str, float], ...]:
    return tuple((str(name), float(share)) for name, share in answer.ranked)


def _reason(answer: Any) -> str:
    return getattr(answer, "reason", None) or ""


def _data_url(pixels: np.ndarray) -> str:
    """Pixels H,W,3 as a JPEG in an address, for an image element."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
