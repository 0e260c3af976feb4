"""What goes onto a card: how good a network is on test, and how its confidence is set on val.

measured = measure(net, dogs)
measured.temperature, measured.threshold, measured.familiar
measured.facts["test"]["accuracy"]          # plain numbers, as the card keeps them

Nothing is chosen on test: it is looked at once, with the temperature and the two limits that val gave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.nn import functional as F

from ..cache.memory import in_parts
from ..images import ImageSet
from ..intervals import wilson
from ..network import Network
from ..surgery.joining import Pool
from ..vectors import check_inputs
from .calibration import BINS, KEEP, calibrated, calibration_error, fit_temperature, lowest_kept
from .familiar import Familiar, fit_familiar

NOT_MEASURED = "not measured"
SLACK = 1e-6  # batches of another size give other last digits; a picture right on a limit must not fall
TRAINING_PICTURES = 100  # a class at most, to describe the features with
REASONS = 20  # kinds of problems that a card lists


@dataclass(frozen=True)
class Measured:
    """How confidence is made from scores, and facts for the card.

    Attributes:
        temperature: scores are divided by it.
        threshold: answers with less confidence are "none of these"; None for never.
        familiar: knows which pictures are unlike all others; None where that could not be measured.
        facts: JSON values: `data`, `test`, `calibration`, `familiar`.
    """

    temperature: float = 1.0
    threshold: float | None = None
    familiar: Familiar | None = None
    facts: Mapping[str, Any] = field(
        default_factory=lambda: dict.fromkeys(("data", "test", "calibration", "familiar"), NOT_MEASURED)
    )

    def refused(self, scores: torch.Tensor, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Which pictures are answered too unsurely, and which are unlike all others: two bool N."""
        confidence = calibrated(scores, self.temperature).amax(1).cpu()
        unsure = confidence < (self.threshold or 0.0)
        if self.familiar is None:
            return unsure, torch.zeros_like(unsure)
        return unsure, self.familiar.distance(features) > self.familiar.limit


def look(net: Network, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores float32 N,classes and the pooled features float32 N,D that the head takes, of uint8 images N,3,H,W."""
    last = len(net) - 1
    with torch.no_grad(), net.mode(frozen=len(net)):
        x = net.run(net.prepare(images.to(net.device)), stop=last)
        features = Pool(x, True)(x)  # before the head, which may work in place
        return net.run(x, start=last).float().cpu(), features.cpu()


def look_at_rows(net: Network, images: ImageSet, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores and features of some rows of an image set, a few at a time."""
    parts = [found for _, found in in_parts(lambda part: look(net, images.images[part]), rows, net.device)]
    return torch.cat([scores for scores, _ in parts]), torch.cat([features for _, features in parts])


def measure(net: Network, images: ImageSet) -> Measured:
    """Calibrate a network on val and measure it on test; what a missing or empty split would give is `not measured`.

    Raises `CourseError` for vectors in place of images, and for scores that are not finite.
    """
    check_inputs(net, images)
    facts: dict[str, Any] = {"data": _data(images), **dict.fromkeys(("test", "calibration", "familiar"), NOT_MEASURED)}
    measured, val = Measured(facts=facts), _rows(images, "val")
    if len(val):
        labels = images.labels[val]
        scores, features = look_at_rows(net, images, val)
        temperature = fit_temperature(scores, labels)
        right = scores.argmax(1) == labels
        lowest = lowest_kept(calibrated(scores, temperature).amax(1)[right])
        threshold = None if lowest is None else max(0.0, lowest - SLACK)
        familiar = _familiar(net, images, features[right])
        measured = Measured(temperature, threshold, familiar, facts)
        facts["calibration"] = {
            "temperature": temperature, "threshold": threshold, "keeps": KEEP, "pictures": len(val), "right": int(right.sum()),
        }  # fmt: skip
        if familiar:
            facts["familiar"] = {"limit": familiar.limit, "keeps": KEEP, "directions": len(familiar.directions)}
    test = _rows(images, "test")
    if len(test):
        facts["test"] = _test(measured, images.labels[test], *look_at_rows(net, images, test), images.classes)
    return measured


def _familiar(net: Network, images: ImageSet, right: torch.Tensor) -> Familiar | None:
    """What training pictures look like, with the limit that keeps the rightly answered val pictures `right`."""
    train = _rows(images, "train")
    labels = images.labels[train]
    few = [train[labels == label][:TRAINING_PICTURES] for label in range(len(images.classes))]
    rows = torch.cat(few)
    if not len(rows) or not len(right):
        return None
    known = fit_familiar(look_at_rows(net, images, rows)[1], images.labels[rows], len(images.classes))
    if known is None:
        return None
    return replace(known, limit=-lowest_kept(-known.distance(right)) * (1 + SLACK))


def _test(
    measured: Measured, labels: torch.Tensor, scores: torch.Tensor, features: torch.Tensor, classes: tuple[str, ...]
) -> dict[str, Any]:
    """Figures of the test split, in plain numbers; shares are 0 to 1."""
    right = scores.argmax(1) == labels
    count, hits = len(labels), int(right.sum())
    low, high = wilson(hits / count, count)
    probabilities = calibrated(scores, measured.temperature)
    unsure, unlike = measured.refused(scores, features)
    refused = unsure | unlike
    recall = {
        name: [int((right & (labels == label)).sum()), int((labels == label).sum())]
        for label, name in enumerate(classes)
    }
    return {
        "accuracy": hits / count, "low": low, "high": high, "right": hits, "pictures": count, "recall": recall,
        "loss": F.nll_loss(probabilities.clamp(min=1e-12).log(), labels).item(),
        "calibration_error_before": calibration_error(calibrated(scores, 1.0), labels),
        "calibration_error": calibration_error(probabilities, labels), "bins": BINS,
        "right_refused": int((refused & right).sum()), "wrong_refused": int((refused & ~right).sum()),
    }  # fmt: skip


def _data(images: ImageSet) -> dict[str, Any]:
    """What the pictures were. Files are counted, not named: a model may travel farther than its pictures."""
    reasons: Counter[str] = Counter()
    for _, reason, *more in images.left_out:
        reasons[str(reason)] += more[1] if len(more) > 1 else 1
    return {
        "name": images.name, "checksum": images.checksum, "size": images.size,
        "counts": {split: images.counts(split) for split in images.splits},
        "left_out": sum(reasons.values()), "reasons": dict(reasons.most_common(REASONS)),
    }  # fmt: skip


def _rows(images: ImageSet, split: str) -> torch.Tensor:
    return images.splits.get(split, torch.zeros(0, dtype=torch.int64))
