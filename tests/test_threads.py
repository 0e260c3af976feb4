"""A widget trains in a thread while cells go on: neither may change what the other draws."""

from __future__ import annotations

import threading

from toys import differing, make, toy_images, weights

import course_lib as cl
from course_lib.augment import Augment
from course_lib.training.stage import Stage

RECIPE = [Stage(frozen=2, epochs=6, batch=5, dropout=0.5, mixup=0.2, augment=Augment(), views=2)]


def test_cells_that_draw_weights_and_a_training_in_a_thread_leave_each_other_alone():
    toys = toy_images()
    alone, beside, end, errors = make("pawnet"), make("pawnet"), threading.Event(), []
    for _ in cl.fit(alone, toys, RECIPE, device="cpu"):
        pass
    expected = cl.load("pawnet", toys.classes, seed=7).fingerprint()
    found: set[str] = set()

    def train() -> None:
        try:
            for _ in cl.fit(beside, toys, RECIPE, device="cpu"):
                pass
        except Exception as error:
            errors.append(error)
        end.set()

    thread = threading.Thread(target=train)
    thread.start()
    while not end.is_set():
        found.add(cl.load("pawnet", toys.classes, seed=7).fingerprint())
    thread.join(60)
    assert errors == [] and differing(weights(beside), weights(alone)) == []
    assert found == {expected}
