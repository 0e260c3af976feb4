"""score: put the scores of scores.py to a network, on a few training images, before anything is trained.

net = load("pawnet", weights="animals")        # with the source's own head, which LEEP and NCE ask
score(net, dogs, per_class=10, seed=0)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from ..cache.remember import Pixels, remember
from ..errors import CourseError
from ..images import ImageSet
from ..network import Network
from ..vectors import VectorNetwork
from .scores import h_score, leep, linear_cka, logme, nce, nearest_mean, shrinkage


@dataclass(frozen=True)
class Scores:
    """What the scores say of a network on some images; higher is better in all of them.

    Attributes:
        nearest_mean: share of images nearest to the mean of their own class, 0 to 1.
        logme: log evidence of a linear model, nats an image.
        h_score: shrunk H-score, 0 to classes - 1.
        alignment: linear CKA of features and one-hot labels, 0 to 1.
        leep, nce: nats an image, at most 0; None where the network has no head of its source.
        images, width: how many images were looked at, and how many numbers stand for each.
    """

    nearest_mean: float
    logme: float
    h_score: float
    alignment: float
    leep: float | None
    nce: float | None
    images: int
    width: int

    @property
    def known(self) -> dict[str, float]:
        """The scores that apply, by name."""
        return {name: x for name, x in asdict(self).items() if name not in ("images", "width") and x is not None}


def score(net: Network, images: ImageSet, per_class: int | None = None, seed: int = 0) -> Scores:
    """All scores that apply to a network, from training images of the target alone; val and test are not looked at.

    Arguments:
        net: its body is looked at. LEEP and NCE also need the head of its source, as `load(model, weights=...)` without
            classes brings it; a head that names the classes of `images` is a new one, and those two are left out.
        images: the target; `per_class` training images a class are drawn by `seed` as in `subset`, None for all.

    Nothing is trained. Raises `CourseError` for a network over vectors, and where a class has fewer than 2 images.
    """
    if isinstance(net, VectorNetwork) or images.images.ndim != 4:
        raise CourseError(
            "score asks a network for images about images; for vectors, use the functions of ranking/scores.py."
        )
    few = images if per_class is None else images.subset(per_class, seed)
    rows = few.rows("train")
    if not len(rows):
        raise CourseError(f"{images.name} has no training images, and scores do not look at val or test.")
    labels, last = few.labels[rows], len(net) - 1
    with torch.no_grad(), net.mode(frozen=len(net)):
        given = remember(Pixels(net, few), last)(rows)  # as the head takes it
        # A head that pools sees maps; what it makes of them are the features.
        features = (given.mean((2, 3)) if given.ndim == 4 else given.flatten(1)).float().cpu().numpy()
        own = net.classes != images.classes and net.origin != "random weights"
        said = net.run(given, last).softmax(1).double().cpu() if own else None
    one_hot = torch.nn.functional.one_hot(labels, len(images.classes)).double()
    return Scores(
        nearest_mean(features, labels),
        logme(features, labels),
        h_score(features, labels, shrinkage(features)),
        linear_cka(features, one_hot),
        None if said is None else leep(said, labels),
        None if said is None else nce(said.argmax(1), labels),
        *features.shape,
    )
