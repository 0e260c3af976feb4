"""Transferability scores: each equals a short reference written from its formula, stays where it should, refuses what has no meaning."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toys import toy_images  # noqa: F401

from course_lib.errors import CourseError
from course_lib.images import ImageSet
from course_lib.models import load
from course_lib.ranking import agreement, h_score, leep, linear_cka, logme, nce, nearest_mean, score, shrinkage


def clouds(count: int = 60, width: int = 5, classes: int = 3, apart: float = 1.0, seed: int = 0):
    """Features whose classes lie `apart`, and labels; every class has images."""
    draw = np.random.default_rng(seed)
    y = np.arange(count) % classes
    centres = apart * draw.normal(size=(classes, width))
    return centres[y] + draw.normal(size=(count, width)) @ draw.normal(size=(width, width)), y
