"""A stand-in for a model that was taken home: it answers by the mean colour. For tests of TryModel in a page."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Answer(NamedTuple):
    """As models that were taken home answer."""

    label: str
    probability: float
    ranked: tuple[tuple[str, float], ...]
    reason: str = ""


class Card(dict):
    """As far as TryModel reads it."""

    def sentences(self) -> list[str]:
        return ["Right on 91.0 % of 100 test pictures (95 % interval 84.0 % to 95.1 %).", "Confidence calibrated."]

    def rows(self) -> list[tuple[str, str]]:
        return [("learned from", "three colours (60 train pictures)")]

    def doubts(self) -> list[str]:
        return ["on pictures of more than one colour"]


class Colours:
    """Says which of red, green and blue a picture has most of; of grey ones, none of these."""

    def __init__(self) -> None:
        self.classes = ("red", "green", "blue")
        self.card = Card(pictures={"size": 48})
        self.asked: list[tuple[int, ...]] = []

    def say(self, images: torch.Tensor) -> list[Answer]:
        assert images.dtype == torch.uint8
        self.asked.append(tuple(images.shape))
        answers = []
        for shares in (images.float().mean((2, 3)) / 40).softmax(1).tolist():
            ranked = tuple(sorted(zip(self.classes, shares, strict=True), key=lambda pair: -pair[1]))
            if ranked[0][1] < 0.5:
                answers.append(Answer("none of these", ranked[0][1], ranked, "no colour stands out"))
            else:
                answers.append(Answer(*ranked[0], ranked))
        return answers
