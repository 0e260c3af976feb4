"""course_lib/inside_pictures.py: what its figures show is what the network does.

pytest tests/test_inside_pictures.py
"""

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib import inside_pictures
from course_lib.errors import CourseError
from course_lib.images import ImageSet

CLASSES = ("dot left", "dot right")


@pytest.fixture(scope="module")
def spots():
    """64 px pictures, all grey but for a white square: left in the first class, right in the second."""
    made = torch.Generator().manual_seed(0)
    pictures = torch.full((12, 3, 64, 64), 90, dtype=torch.uint8)
    for i in range(12):
        y, x = int(torch.randint(8, 48, (), generator=made)), 10 if i % 2 == 0 else 48
        pictures[i, :, y : y + 6, x : x + 6] = 255
    splits = {"train": torch.arange(0, 4), "val": torch.arange(4, 12)}
    return ImageSet("spots", pictures, torch.arange(12) % 2, CLASSES, splits)


@pytest.fixture(scope="module")
def net():
    return cl.load("pawnet", CLASSES, seed=3)


def test_some_blocks_go_from_the_first_to_the_last_of_the_body(net):
    assert inside_pictures.some_blocks(net) == [0, 1, 2, 3, 4]
    assert inside_pictures.some_blocks(net, 3) == [0, 2, 4]
    assert inside_pictures.some_blocks(net, 50) == [0, 1, 2, 3, 4]
    assert inside_pictures.some_blocks(net, 1) == [0]


def test_receptive_fields_are_those_of_the_arithmetic(net):
    # Each 3x3 convolution adds 2 pixels times the product of the strides before it; stage4 ends in a mean over all places.
    field, jump, expected = 3, 2, [3]
    for stride in (1, 2, 2):
        field += 2 * jump
        jump *= stride
        field += 2 * jump
        expected.append(field)
    assert inside_pictures.fields(net, 64) == [*expected, 64]


def test_a_field_is_measured_where_nothing_downstream_of_it_changes(net, spots):
    """A pixel outside of the field does not change the value in the middle; one inside does."""
    wide = inside_pictures.fields(net, 64)[1]
    picture = spots.images[:1].clone()
    changed, inside_it = picture.clone(), picture.clone()
    changed[:, :, 32 + wide :, :] = 0
    inside_it[:, :, 33, 33] = 0
    with torch.no_grad(), net.mode(frozen=len(net)):
        middle = [net.run(net.prepare(x), 0, 2)[0, :, 16, 16] for x in (picture, changed, inside_it)]
    assert torch.equal(middle[0], middle[1]) and not torch.equal(middle[0], middle[2])


def test_the_strongest_patches_hold_what_the_channel_answers_to(net, spots):
    rows = spots.rows("val")
    values, at, side = next(inside_pictures._answers(net, spots, rows, [0]))
    with torch.no_grad(), net.mode(frozen=len(net)):
        maps = net.run(net.prepare(spots.images[rows]), 0, 1).float()
    assert values.shape == (8, maps.shape[1]) and side == 32
    assert torch.allclose(values, maps.amax((2, 3)), atol=1e-2)
    channel = int(values.mean(0).argmax())
    for i, row in enumerate(rows):
        y, x = divmod(int(at[i, channel]), side)
        assert torch.isclose(maps[i, channel, y, x], values[i, channel], atol=1e-2)
        patch = inside_pictures._patch(spots.images[row], (y + 0.5) / side, (x + 0.5) / side, 9)
        assert patch.shape == (9, 9, 3)


def test_a_patch_at_the_border_is_moved_into_the_picture(spots):
    picture = torch.arange(64 * 64 * 3).reshape(3, 64, 64)
    corner = inside_pictures._patch(picture, 0.0, 1.0, 5)
    assert np.array_equal(corner, picture[:, :5, 59:].permute(1, 2, 0).numpy())


def test_figures_say_what_they_show(net, spots):
    nets = {"trained": net, "random": cl.load("pawnet", CLASSES, seed=4)}
    assert "24 of 24 filters" in inside_pictures.filters(nets).alt
    shown = inside_pictures.activations(nets, spots, row=4)
    assert "5 blocks of trained, random" in shown.alt and len(shown.figure.axes) == 15
    assert [text.get_text() for text in shown.figure.axes[0].texts] == ["dot left"]
    strongest = inside_pictures.strongest(nets, spots, blocks=[0, 4], channels=1, count=2)
    assert "8 val pictures" in strongest.alt
    assert sum(len(axis.images) for axis in strongest.figure.axes) == 2 * 2 * 2  # nets, blocks, patches
    for picture in (shown, strongest):
        assert picture.png().startswith(b"\x89PNG")


def test_the_same_network_twice_gives_the_same_patches(net, spots):
    figure = inside_pictures.strongest({"a": net, "b": net}, spots, blocks=[1], channels=1, count=3).figure
    left, right = np.split(np.array([axis.images[0].get_array() for axis in figure.axes if axis.images]), 2)
    assert np.array_equal(left, right)


def test_what_is_known_is_told_in_numbers():
    points = [(0.1, 0.05, 0.15), (0.8, 0.7, 0.9)]
    picture = inside_pictures.over_blocks({"trained": {"breed": points}}, ["stem", "late"], {"breed": 0.1})
    assert picture.alt.endswith("trained, breed: 10, 80.") and "stem, late" in picture.alt


def test_a_first_layer_without_colours_is_refused(net):
    grey = cl.load(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2)), CLASSES, size=8)
    with pytest.raises(CourseError, match="has no filters"):
        inside_pictures.filters({"mine": grey})
