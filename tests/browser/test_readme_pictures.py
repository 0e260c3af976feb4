"""The pictures of widgets in README.md, taken from the real thing:   COURSE_SCREENSHOTS=data/pictures pytest tests/browser/test_readme_pictures.py

Skipped without that variable; everything on them is drawn by the course.
"""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.skipif("COURSE_SCREENSHOTS" not in os.environ, reason="COURSE_SCREENSHOTS names no folder")

FREEZE = """
import course_lib as cl
from course_lib.widgets import FreezeLab
dogs = cl.load_images("dogworld").subset(20)
net = cl.load("pawnet", classes=dogs.classes, weights="animals")
lab = FreezeLab(net, dogs)
lab.train_here(frozen=-1, guess=60.0)
lab.train_here(frozen=0, start="random", lr=1e-3)
lab.choose("fine-tune")
lab.guess = 80.0
lab
"""


def test_the_freeze_lab_while_it_trains(open_notebook):
    book = open_notebook("picture", [FREEZE], viewport={"width": 1180, "height": 1900})
    page = book.page
    page.get_by_test_id("block-1").click(modifiers=["Shift"])
    page.get_by_test_id("train").click()
    book.status("running", timeout=60)
    page.wait_for_function("() => document.querySelector('progress').value > 0.6", timeout=60_000)
    page.get_by_test_id("stop").click()
    book.status("stopped", timeout=60)
    page.get_by_test_id("plan").get_by_text("about").first.wait_for(timeout=60_000)
    book.shot("freeze_lab")


LANDSCAPE = """
import course_lib as cl
from course_lib.widgets import LandscapeLab
dogs = cl.load_images("dogworld").subset(20)
start = cl.load("pawnet", classes=dogs.classes, weights="animals")
tuned = start.copy()
for record in cl.fit(tuned, dogs, cl.fine_tune(epochs=6)):
    pass
lab = LandscapeLab({"random": cl.load("pawnet", classes=dogs.classes), "pretrained": start, "fine-tuned": tuned}, dogs)
lab.size = 16
lab.map_here()
lab.walk_from = "pretrained"
lab.train_here()
lab
"""


def test_the_landscape_with_the_walk_of_a_training(open_notebook):
    book = open_notebook("landscape_picture", [LANDSCAPE], run=False, viewport={"width": 1180, "height": 1400})
    book.page.locator(".jp-Cell[data-windowed-list-index='0'] .cm-content").click()
    book.page.keyboard.press("Control+Enter")
    book.page.get_by_text("At the point").wait_for(timeout=180_000)
    book.page.wait_for_timeout(3000)
    book.shot("landscape_lab")


DROP = """
import os
from pathlib import Path
from tempfile import mkdtemp
from course_lib.sources.snapshots import write_snapshots
from course_lib.widgets import PictureDrop
os.chdir(mkdtemp())
photos = write_snapshots(Path("photos"))
drop = PictureDrop("my_pictures", classes=[path.name for path in sorted(photos.iterdir()) if path.is_dir()])
for path in sorted(photos.glob("*/*"))[::4]:
    drop.add(path, path.name, path.parent.name)
drop
"""


def test_the_picture_drop_with_pictures_and_a_problem(open_notebook):
    book = open_notebook("drop_picture", [DROP], viewport={"width": 1180, "height": 1000})
    book.page.wait_for_timeout(3000)
    book.shot("picture_drop")
