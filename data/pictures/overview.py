"""Draws overview.png, the picture in README.md:   python data/pictures/overview.py

Left: test images of dogworld, a row for each of its ten breeds. Right: the learning curves of lesson 04 at the small size,
read from the cache where the lesson was run before.
"""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.image import imread

from course_lib import plots
from course_lib.experiments.dog_case import dog_case
from course_lib.experiments.learning_curve import learning_curve
from course_lib.widgets.live import watch

plan = dog_case("dogworld", "pawnet", "animals")
curve = watch(learning_curve(plan.images, plan.model, plan.ways, plan.per_class))
pictures = [plots.contact_sheet(plan.images, 5, "test"), plots.learning_curves(curve.points(), plan.chance)]
figure, axes = plots.figure(12, 6.2, 1, 2, width_ratios=(1, 1.15))
for axis, picture in zip(axes[0], pictures, strict=True):
    axis.imshow(imread(io.BytesIO(picture.png())))
    axis.axis("off")
figure.set_dpi(100)
Path(__file__).with_name("overview.png").write_bytes(plots.Picture(figure, "").png())
