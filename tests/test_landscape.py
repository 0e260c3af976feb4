"""Loss landscapes: planes, filter normalisation, surfaces from coarse to fine, their cache, barriers, walks, first losses."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn
from toys import CLASSES, make, toy_images, wide_net

import course_lib as cl
from course_lib import landscape
from course_lib.errors import CourseError
from course_lib.landscape.directions import filter_direction
from course_lib.landscape.grid import levels
from course_lib.landscape.ground import draw
from course_lib.landscape.starts import KINDS
from course_lib.landscape.vectors import mix_statistics, parameters_of, put_weights, statistics_of, weights_of

DOTS = toy_images(train=24, val=20, test=6)


@pytest.fixture(autouse=True)
def exact(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PRECISION", "float32")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def three():
    random, pretrained = cl.load("pawnet", CLASSES, seed=1), cl.load("pawnet", CLASSES, seed=2)
    tuned = pretrained.copy()
    for _ in cl.fit(tuned, DOTS, cl.fine_tune(epochs=2, lr=3e-3), device="cpu"):
        pass
    return {"random": random, "pretrained": pretrained, "fine-tuned": tuned}


@pytest.fixture(scope="module")
def plane(three):
    return landscape.plane_through(three)


def on(images, rows):
    return dataclasses.replace(images, splits={"val": rows})


def test_a_vector_holds_every_parameter_once_and_goes_back(three):
    net = three["random"].copy()
    vector = weights_of(net)
    assert len(vector) == sum(p.numel() for p in net.model.parameters())
    put_weights(net, torch.zeros_like(vector))
    assert not any(p.any() for p in net.model.parameters())
    put_weights(net, vector)
    assert net.fingerprint() == three["random"].fingerprint()
    with pytest.raises(CourseError, match="received a vector of shape"):
        put_weights(net, vector[1:])


def test_networks_stand_where_they_truly_are(three, plane):
    vectors = {name: weights_of(net) for name, net in three.items()}
    axes = plane.axes.double()
    torch.testing.assert_close(axes @ axes.T, torch.eye(2, dtype=torch.float64), atol=1e-5, rtol=0)
    for first, (x1, y1) in plane.marks.items():
        torch.testing.assert_close(plane.weights_at(x1, y1), vectors[first], atol=1e-5, rtol=1e-5)
        x, y, off = plane.project(vectors[first])
        assert (x, y) == pytest.approx((x1, y1), abs=1e-3) and off < 1e-3
        for second, (x2, y2) in plane.marks.items():
            far = (vectors[first] - vectors[second]).norm().item()
            assert math.dist((x1, y1), (x2, y2)) == pytest.approx(far, rel=1e-4, abs=1e-4)
    (left, right), (low, high) = plane.reach
    assert all(left < x < right and low < y < high for x, y in plane.marks.values())


@pytest.mark.parametrize("name", ["random", "pretrained", "fine-tuned"])
def test_at_each_network_the_loss_is_what_evaluate_says(three, plane, name):
    ground = landscape.Ground(plane.net, DOTS, points=15)
    expected = cl.evaluate(three[name], on(DOTS, ground.rows), "val")
    x, y = plane.marks[name]
    found = ground.measure(plane.weights_at(x, y), plane.statistics_at(x, y))
    assert found.loss == pytest.approx(expected.loss, abs=2e-5) and found.accuracy == expected.accuracy
    net = plane.network_at(x, y)
    assert cl.evaluate(net, on(DOTS, ground.rows), "val").loss == pytest.approx(expected.loss, abs=2e-5)


def test_what_a_device_has_for_speed_is_near_the_exact_path(three, plane, monkeypatch):
    x, y = plane.marks["fine-tuned"]
    at = plane.weights_at(x, y), plane.statistics_at(x, y)
    exact = landscape.Ground(plane.net, DOTS).measure(*at)
    monkeypatch.setenv("COURSE_PRECISION", "bfloat16")
    fast = landscape.Ground(plane.net, DOTS).measure(*at)
    assert fast.loss == pytest.approx(exact.loss, abs=0.02) and abs(fast.accuracy - exact.accuracy) <= 1 / 20 + 1e-6


def test_blocks_that_all_share_are_worked_out_once_to_the_same_end(three):
    nets = {name: three["pretrained"].copy() for name in "abc"}
    generator = torch.Generator().manual_seed(0)
    for name in "bc":
        for p in [*nets[name].blocks[-1].parameters(), *nets[name].blocks[-2].parameters()]:
            p.data += 0.05 * torch.randn(p.shape, generator=generator)
    plane = landscape.plane_through(nets)
    assert plane.still_blocks() == len(nets["a"]) - 2
    whole, part = landscape.Ground(plane.net, DOTS), landscape.Ground(plane.net, DOTS, still=plane.still_blocks())
    at = plane.weights_at(1.0, 0.5), plane.statistics_at(1.0, 0.5)
    assert part.inputs.shape[1] > 3 and part.measure(*at).loss == pytest.approx(whole.measure(*at).loss, abs=1e-5)


def test_measured_statistics_are_those_of_the_images_and_leave_others_alone(three, plane):
    ground = landscape.Ground(plane.net, DOTS, norm="measure")
    found = ground.measure(plane.weights_at(3, 1), {})
    net = plane.network_at(3, 1)
    net.model.train()
    with torch.no_grad():
        scores = net.run(net.prepare(DOTS.images[ground.rows]))
    expected = nn.functional.cross_entropy(scores, DOTS.labels[ground.rows]).item()
    assert found.loss == pytest.approx(expected, abs=1e-5)
    interpolated = landscape.Ground(plane.net, DOTS).measure(plane.weights_at(3, 1), plane.statistics_at(3, 1))
    assert abs(found.loss - interpolated.loss) > 1e-4
    assert three["random"].fingerprint() == plane.net.fingerprint()  # the networks given are not touched


def test_statistics_are_mixed_between_networks_and_variances_stay_above_0(three, plane):
    given = [statistics_of(net) for net in three.values()]
    for shares, expected in zip(np.eye(3), given, strict=True):
        mixed = mix_statistics(given, list(shares))
        assert all(torch.allclose(mixed[name], expected[name], atol=1e-5, rtol=1e-4) for name in expected)
    far = plane.statistics_at(-500, 300)
    assert all(bool((value > 0).all()) for name, value in far.items() if name.endswith("running_var"))
    assert plane.shares(*plane.marks["pretrained"]) == pytest.approx([0, 1, 0]) and sum(
        plane.shares(7, -3)
    ) == pytest.approx(1)


def test_filters_of_a_direction_are_as_long_as_those_of_the_network(three):
    net = three["fine-tuned"]
    direction = filter_direction(net, torch.Generator().manual_seed(3))
    parts = direction.split([p.numel() for p in parameters_of(net)])
    filters = 0
    for p, part in zip(parameters_of(net), parts, strict=True):
        if p.ndim < 2:
            assert not part.any()
        else:
            rows = part.view(p.shape).flatten(1)
            torch.testing.assert_close(rows.norm(dim=1), p.detach().flatten(1).norm(dim=1), rtol=1e-4, atol=1e-6)
            filters += len(rows)
    assert filters > 100
    one, same, other = (landscape.random_plane(net, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.axes[0], direction) and torch.equal(one.axes, same.axes)
    assert not torch.equal(one.axes, other.axes) and one.marks == {"network": (0.0, 0.0)}


def test_scales_of_norm_layers_get_no_direction_also_with_two_dimensions():
    layer = nn.LayerNorm((4, 8))
    net = make("vit")
    holder = dataclasses.replace(
        net, blocks=[dataclasses_block("norm", layer), dataclasses_block("lin", nn.Linear(8, 3))]
    )
    direction = filter_direction(holder, torch.Generator().manual_seed(0))
    assert not direction[: 2 * 32].any() and direction[64:88].all()


def dataclasses_block(name, module):
    from course_lib.cutting.blocks import Block

    return Block(name, module)


@pytest.mark.parametrize("size", [2, 4, 5, 9, 12, 31])
def test_levels_go_from_coarse_to_fine_and_end_with_all(size):
    found = levels(size)
    assert found[-1] == list(range(size)) and len(found[0]) <= 4
    assert all(level[0] == 0 and level[-1] == size - 1 for level in found)
    assert [len(level) for level in found] == sorted({len(level) for level in found})


def test_each_point_is_worked_out_once_and_equals_a_slow_reference(plane, three, monkeypatch):
    asked, measure = [], landscape.Ground.measure
    monkeypatch.setattr(landscape.Ground, "measure", lambda self, *a: asked.append(1) or measure(self, *a))
    counts = [sheet.done for sheet in landscape.surface(plane, DOTS, size=6, points=12)]
    assert counts == list(range(1, 37)) and len(asked) == 36
    *_, sheet = landscape.surface(plane, DOTS, size=6, points=12)
    assert len(asked) == 36 and sheet.read == 36  # from the disk
    rows = draw(DOTS, "val", 12)
    for row, column in ((0, 0), (2, 4), (5, 5)):
        net = plane.network_at(sheet.xs[column], sheet.ys[row])  # the network itself, and plain evaluate
        slow = cl.evaluate(net, on(DOTS, rows), "val")
        assert sheet.loss[row, column] == pytest.approx(slow.loss, rel=1e-4, abs=2e-5)
        assert sheet.accuracy[row, column] == pytest.approx(slow.accuracy)


def test_a_surface_is_seen_early_and_what_is_not_known_yet_is_drawn_between(plane):
    for sheet in landscape.surface(plane, DOTS, size=7, points=4, cache=False):
        loss, _ = sheet.filled()
        if sheet.done < 16:
            assert np.isnan(loss).any()
        else:
            known = np.isfinite(sheet.accuracy)
            assert np.isfinite(loss).all() and (loss[known] == sheet.loss[known]).all()
            assert loss.min() >= np.nanmin(sheet.loss) and loss.max() <= np.nanmax(sheet.loss)
    assert sheet.complete and "49 worked out" in repr(sheet)


def test_a_surface_that_was_left_goes_on_and_a_damaged_file_is_made_again(plane, tmp_path):
    for sheet in landscape.surface(plane, DOTS, size=5, points=4):
        if sheet.done == 9:
            break
    del sheet
    sheets = landscape.surface(plane, DOTS, size=5, points=4)
    assert next(sheets).read == 9
    *_, sheet = sheets
    assert sheet.complete
    (file,) = (tmp_path / "landscape").iterdir()
    file.write_bytes(file.read_bytes()[:200])
    *_, again = landscape.surface(plane, DOTS, size=5, points=4)
    assert again.read == 0 and np.array_equal(again.loss, sheet.loss)


def test_other_weights_images_or_settings_are_another_surface(three, plane):
    def read(plane, images=DOTS, size=3, **options):
        *_, sheet = landscape.surface(plane, images, size=size, **{"points": 4} | options)
        return sheet.read

    assert read(plane) == 0 and read(plane) == 9 and read(landscape.plane_through(three)) == 9
    changed = {name: net.copy() for name, net in three.items()}
    next(iter(changed["fine-tuned"].blocks[-1].parameters())).data[0] += 0.01
    assert read(landscape.plane_through(changed)) == 0
    moved = {name: net.copy() for name, net in three.items()}
    next(iter(moved["random"].model.buffers())).add_(0.1)  # BatchNorm's statistics count too
    assert read(landscape.plane_through(moved)) == 0
    assert read(plane, norm="measure") == 0 and read(plane, points=5) == 0 and read(plane, size=4) == 0
    assert read(plane, toy_images(train=24, val=20, test=6, seed=1)) == 0
    assert read(plane, cache=False) == 0


def test_no_barrier_between_equal_networks_and_one_between_units_in_another_order(three):
    net = three["fine-tuned"]
    same = landscape.barrier(net, net, DOTS, steps=5)
    assert same.height == pytest.approx(0, abs=1e-6)
    # One hidden unit for each colour; in the other network the units stand in another order, so it is the same function
    # with its weights elsewhere, and half way there is another function.
    sharp = wide_net()
    colours = torch.eye(3).sub(1 / 3).repeat_interleave(32 * 32, 1) / 32**2  # how much brighter a channel is than all
    with torch.no_grad():
        for p in sharp.model.parameters():
            p.zero_()
        sharp.model[1].weight[:3], sharp.model[4].weight[:, :3] = colours, 8 * torch.eye(3)
    other = sharp.copy()
    with torch.no_grad():
        other.model[1].weight[:3], other.model[4].weight[:, :3] = colours[[1, 2, 0]], 8 * torch.eye(3)[:, [1, 2, 0]]
    line = landscape.barrier(sharp, other, DOTS, steps=9)
    assert line.losses[0] == pytest.approx(line.losses[-1], abs=1e-4)
    assert line.height > 0.1 and line.where == pytest.approx(0.5)
    assert line.losses[0] == pytest.approx(cl.evaluate(sharp, DOTS, "val").loss, abs=1e-4)


def test_a_walk_is_projected_with_the_share_that_the_plane_shows(three, plane):
    net = three["pretrained"].copy()
    walk = landscape.Walk(net, every=2)
    told = list(walk.follow(cl.fit(net, DOTS, cl.fine_tune(epochs=6, lr=3e-3, batch=8), device="cpu")))
    assert walk.steps[0] == 0 and walk.steps[-1] == told[-1].step == 18
    assert torch.equal(walk.points[0], weights_of(three["pretrained"])) and torch.equal(
        walk.points[-1], weights_of(net)
    )
    points = walk.on(plane)
    assert (points[0].x, points[0].y) == pytest.approx(plane.marks["pretrained"], abs=1e-3) and points[0].share == 1
    assert all(0 <= point.share <= 1 for point in points) and points[-1].off > 0
    far = (walk.points[-1] - walk.points[0]).norm().item()
    inside = math.dist((points[0].x, points[0].y), (points[-1].x, points[-1].y))
    assert points[-1].share == pytest.approx(inside / far, rel=1e-3)
    # On the plane through its own two ends, all of the distance is seen.
    own = landscape.plane_through({"a": three["random"], "b": three["pretrained"], "c": net})
    assert walk.on(own)[-1].share == pytest.approx(1, abs=1e-4) and walk.on(own)[-1].off < 1e-2


def test_a_long_walk_keeps_few_snapshots_and_both_ends(three):
    net = three["pretrained"].copy()
    walk = landscape.Walk(net, every=1, most=5)
    for step in range(1, 30):
        if step - walk.steps[-1] >= walk.every:
            walk.take(step)
    assert len(walk.points) <= 6 and walk.steps[0] == 0 and walk.steps == sorted(walk.steps) and walk.every > 1


def test_first_losses_of_random_and_transferred_networks():
    net = cl.load("pawnet", CLASSES, seed=5)
    *_, starts = landscape.initial_losses(net, DOTS, seeds=[0, 1, 2], epochs=40)
    assert set(starts.losses) == set(KINDS) and starts.done == starts.total == 9
    for seed, loss in enumerate(starts.losses["random"]):
        assert loss == pytest.approx(cl.evaluate(cl.load("pawnet", CLASSES, seed=seed), DOTS, "val").loss, abs=1e-4)
    body = net.copy()
    for mine, other in zip(
        body.blocks[-1].parameters(), cl.load("pawnet", CLASSES, seed=1).blocks[-1].parameters(), strict=True
    ):
        mine.data.copy_(other)
    assert starts.losses[KINDS[1]][1] == pytest.approx(cl.evaluate(body, DOTS, "val").loss, abs=1e-4)
    assert starts.guessing == pytest.approx(math.log(3))
    assert len(list(landscape.initial_losses(net, DOTS, seeds=[4], epochs=0))) == 1


def test_wrong_input_is_answered_with_a_sentence(three, plane):
    net = three["random"]
    other = cl.load("pawnet", ("a", "b", "c"), seed=1)
    cases = [
        (lambda: landscape.plane_through({"a": net}), "goes through three networks"),
        (lambda: landscape.plane_through({"a": net, "b": net, "c": net}), "lie on a line"),
        (lambda: landscape.plane_through(three | {"fine-tuned": other}), "same classes"),
        (lambda: landscape.plane_through(three | {"fine-tuned": cl.load("pawnet", ("a", "b"))}), "one architecture"),
        (lambda: landscape.plane_through(three, margin=-1), "margin=-1"),
        (lambda: landscape.random_plane(net, reach=0), "reach=0"),
        (lambda: landscape.surface(plane, DOTS, size=1), "size=1"),
        (lambda: landscape.surface(plane, DOTS, norm="both"), "norm='both'"),
        (lambda: landscape.surface(plane, DOTS, points=1), "points=1"),
        (lambda: landscape.surface(plane, DOTS, split="exam"), "no split named 'exam'"),
        (lambda: landscape.surface(plane, toy_images(classes=("x", "y", "z"))), "classes=images.classes"),
        (lambda: landscape.between(net, net, DOTS, steps=2), "steps=2"),
        (lambda: landscape.Walk(net, every=0), "every=0"),
        (lambda: landscape.initial_losses(make("wide"), DOTS), "wide is not among"),
        (lambda: landscape.initial_losses(net, DOTS, seeds=[]), "0 seeds"),
    ]
    for call, words in cases:
        with pytest.raises(CourseError, match=words):
            call()
