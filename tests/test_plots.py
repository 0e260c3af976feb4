"""Figures take whatever a folder is called."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from course_lib import plots
from course_lib.images import ImageSet


@pytest.mark.parametrize("name", [r"50$\frac$", "a_b", "$x_1$ and $x_2$, a long name", "Собака ü", "<b>&amp;"])
def test_a_class_may_have_any_name(name):
    images = torch.zeros(6, 3, 16, 16, dtype=torch.uint8)
    rows = torch.arange(6)
    pictures = ImageSet(
        "toys", images, rows % 2, (name, "other"), {"train": rows[:2], "val": rows[2:4], "test": rows[4:]}
    )
    said = SimpleNamespace(
        classes=pictures.classes, labels=torch.tensor([0, 1]), predictions=torch.tensor([1, 0]), rows=rows[4:], accuracy=0.0,
        probabilities=torch.tensor([[0.2, 0.8], [0.9, 0.1]]), confusion=torch.tensor([[0, 1], [1, 0]]), split="test",
        worst=lambda count: torch.tensor([0, 1])[:count],
    )  # fmt: skip
    for picture in (plots.confusion(said), plots.mistakes(pictures, said, count=2)):
        assert picture._repr_mimebundle_()[0]["image/png"]


@pytest.mark.filterwarnings("error")
def test_letters_that_the_own_font_lacks_come_from_another_one_of_the_machine(monkeypatch):
    """STIX, which comes with matplotlib, stands for the fonts of a system: DejaVu Sans has no letters in circles."""
    monkeypatch.setattr(plots, "FURTHER_FONTS", ("No such font", "STIXGeneral"))
    plots._further_fonts.cache_clear()
    fig, axes = plots.figure(2, 2)
    axes[0][0].set_title("\u24b6 class")
    axes[0][0].set_xlabel("plain")
    plots.Picture(fig, "").png()
    assert axes[0][0].title.get_fontfamily()[-1] == "STIXGeneral"
    assert "STIXGeneral" not in axes[0][0].xaxis.label.get_fontfamily()
    plots._further_fonts.cache_clear()
    monkeypatch.setattr(plots, "FURTHER_FONTS", ())
    fig, axes = plots.figure(2, 2)
    axes[0][0].set_title("\u24b6 class")
    with pytest.warns(UserWarning, match="missing from"):
        plots.Picture(fig, "").png()
    plots._further_fonts.cache_clear()
