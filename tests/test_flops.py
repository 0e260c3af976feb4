"""FLOPs: counted as by hand, with fused attention as without, and the same on shapes alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from toys import make

from course_lib.cutting.flops import run_counted
from course_lib.errors import CourseError


def test_a_linear_layer_and_a_convolution_count_two_for_each_multiply_add():
    x = torch.randn(5, 7)
    scores, flops = run_counted(nn.Linear(7, 3), x)
    assert scores.shape == (5, 3) and not scores.requires_grad and flops == 2 * 5 * 7 * 3
    _, flops = run_counted(nn.Conv2d(3, 8, 3, padding=1), torch.randn(1, 3, 10, 10))
    assert flops == 2 * 10 * 10 * 8 * 3 * 9


def test_the_products_of_fused_attention_are_counted():
    """Four layers of ViT on 17 tokens of width 64, by hand: patches, projections, two attention products, MLP, head."""
    net = make("vit")
    tokens, width, mlp = 17, 64, 128
    layer = 4 * tokens * width * width + 2 * tokens * tokens * width + 2 * tokens * width * mlp
    expected = 2 * (16 * width * 3 * 8 * 8 + 4 * layer + width * 3)
    x = torch.randn(1, 3, 32, 32)
    with net.mode(frozen=len(net)):
        assert run_counted(net.model, x)[1] == expected
        assert run_counted(copy.deepcopy(net.model).to("meta"), x.to("meta"))[1] == expected
    assert f"{expected / 1e9:.2f} GFLOPs" in net.table().caption
    assert torch.backends.mha.get_fastpath_enabled()


def test_the_fast_path_comes_back_after_an_error():
    with pytest.raises(RuntimeError):
        run_counted(nn.Linear(7, 3), torch.randn(5, 6))
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_table_at_another_size_than_the_network_takes_is_refused():
    assert "at 96 px" in make("resnet18").table(96).caption
    with pytest.raises(CourseError, match="size=96 was asked of pawnet, which takes only 64"):
        make("pawnet").table(96)
