"""PawNet: the course's own small network, one architecture with several upbringings.

A stem and four residual stages, each halving the picture (64 px -> 32, 32, 16, 8, 4), then a head: six blocks,
0.7 million parameters. Small enough to train from scratch in a minute on two cores, deep enough that its first blocks
learn edges and its last ones learn breeds.

The residual block is the basic block of He et al. 2015 (arXiv 1512.03385, figure 2 and section 4.2).
"""

from __future__ import annotations

import torch
from torch import nn

WIDTHS = (24, 32, 64, 96, 192)
SIZE = 64


class Residual(nn.Module):
    """Two 3x3 convolutions with BatchNorm around a shortcut: N,C,H,W -> N,width,H/stride,W/stride."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        same = channels == width and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class PawNet(nn.Module):
    """Stem, four stages and a head, for images of 64 px: float N,3,64,64 -> N,classes.

    Arguments:
        classes: number of classes, the width of the head.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        stem, *stages = WIDTHS
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU())
        self.stage1 = Residual(stem, stages[0], 1)
        self.stage2 = Residual(stages[0], stages[1], 2)
        self.stage3 = Residual(stages[1], stages[2], 2)
        self.stage4 = Residual(stages[2], stages[3], 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(stages[3], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x)))))
        return self.head(self.pool(x).flatten(1))  # N,192,4,4 -> N,192 -> N,classes
