"""Keras 3 on torch, used as its transfer-learning guide teaches: a frozen base called with `training=False`, a new head.

    run(material, phases, seed=0)

MobileNetV2 is Keras's own, with the same weights: they are copied layer by layer from the torch module (its paddings and
its BatchNorm constants set to torchvision's, so that the features are equal; the test holds both side by side). Another
network is the torch module itself inside Keras's TorchModuleWrapper. Photos are decoded once and stay in memory.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from keras import layers, ops

from .by_hand import BATCH
from .material import Material, Phase, parts

DROPOUT, HEAD_LR, LOW_LR = 0.2, 1e-3, 1e-5  # the guide's


def run(material: Material, phases: Sequence[Phase], seed: int) -> dict[str, Any]:
    """Compile and fit, the head first; the accuracy is that of the last epoch on the val photos."""
    if keras.config.backend() != "torch":
        raise RuntimeError(f"Keras runs on {keras.config.backend()}; this contender needs KERAS_BACKEND=torch.")
    turns = _plan(phases)
    keras.utils.set_random_seed(seed)
    (x, y), val = (_arrays(material, split) for split in ("train", "val"))
    base = build_base(material, seed)
    mean, std = (np.array(values, np.float32) for values in material.stats)
    inputs = keras.Input((material.size, material.size, 3), dtype="uint8")
    scaled = layers.Normalization(mean=255 * mean, variance=(255 * std) ** 2)(ops.cast(inputs, "float32"))
    features = base(scaled, training=False)  # as the guide says: BatchNorm keeps its statistics, also when unfrozen
    pooled = layers.Dropout(DROPOUT)(layers.GlobalAveragePooling2D()(features))
    model = keras.Model(inputs, layers.Dense(len(material.classes))(pooled))
    history = None
    for trainable, epochs in turns:
        base.trainable = trainable
        model.compile(
            optimizer=keras.optimizers.Adam(LOW_LR if trainable else HEAD_LR),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        history = model.fit(x, y, BATCH, epochs, verbose=0, validation_data=val)
    return {"accuracy": float(history.history["val_accuracy"][-1]), "count": len(val[1])}


def _plan(phases: Sequence[Phase]) -> list[tuple[bool, int]]:
    """(whether the base trains, epochs): for full fine-tuning the guide gives the head a turn first, here one epoch."""
    cuts, epochs = [phase.frozen for phase in phases], phases[0].epochs
    if cuts not in ([-1], [0]):
        raise ValueError(f"Keras's guide trains the head, then everything; cuts {cuts} are not among what it teaches.")
    if cuts == [-1] or epochs == 1:
        return [(cuts == [0], epochs)]
    return [(False, 1), (True, epochs - 1)]


def build_base(material: Material, seed: int) -> keras.Layer:
    """The network without its head as a Keras layer, N,H,W,3 -> N,h,w,C."""
    module = material.model(seed).eval()
    if material.network == "mobilenet_v2":
        return _mobilenet(module, material.size)
    *body, _ = parts(module, material.network)
    return Wrapped(torch.nn.Sequential(*body), material.size)


class Wrapped(layers.TorchModuleWrapper):
    """A torch module that takes and gives channels last, as Keras's own layers do here."""

    def __init__(self, module: torch.nn.Module, size: int) -> None:
        super().__init__(module)
        with torch.no_grad():
            channels, *places = module.cpu()(torch.zeros(1, 3, size, size)).shape[1:]
        self.features = (*places, channels)

    def call(self, x, training=None):
        # The parent sets train mode by `training`; with the guide's False, BatchNorm stays as it is.
        return ops.transpose(super().call(ops.transpose(x, (0, 3, 1, 2)), training=False), (0, 2, 3, 1))

    def compute_output_shape(self, shape):
        return (shape[0], *self.features)


class PaddedConv2D(layers.Conv2D):
    """A 3x3 convolution that pads one pixel on each side, as torch does; Keras's `same` pads two on one side."""

    def call(self, x):
        return super().call(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))

    def compute_output_shape(self, shape):
        return super().compute_output_shape((shape[0], shape[1] + 2, shape[2] + 2, shape[3]))


def _mobilenet(module: torch.nn.Module, size: int) -> keras.Model:
    plain = keras.applications.MobileNetV2(input_shape=(size, size, 3), include_top=False, weights=None)
    base = keras.models.clone_model(plain, clone_function=_as_torch_pads)
    kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.BatchNormalization)
    sources = [m for m in module.features.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.BatchNorm2d)]
    for layer, source in zip([la for la in base.layers if isinstance(la, kinds)], sources, strict=True):
        layer.set_weights(_weights(layer, source))
    return base


def _as_torch_pads(layer: keras.Layer) -> keras.Layer:
    config = layer.get_config()
    if isinstance(layer, layers.ZeroPadding2D):
        config["padding"] = 1
    if isinstance(layer, layers.BatchNormalization):
        config |= {"epsilon": 1e-5, "momentum": 0.9}
    if layer.name == "Conv1":
        return PaddedConv2D.from_config(config | {"padding": "valid"})
    return type(layer).from_config(config)


def _weights(layer: keras.Layer, source: torch.nn.Module) -> list[np.ndarray]:
    weight = source.weight.detach().numpy()
    if isinstance(source, torch.nn.BatchNorm2d):
        return [weight, source.bias.detach().numpy(), source.running_mean.numpy(), source.running_var.numpy()]
    # out,in,h,w -> h,w,in,out; depthwise: channels,1,h,w -> h,w,channels,1
    return [weight.transpose((2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0))]


def _arrays(material: Material, split: str) -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = material.read(split)
    return pixels.permute(0, 2, 3, 1).contiguous().numpy(), labels.numpy()  # N,3,H,W -> N,H,W,3
