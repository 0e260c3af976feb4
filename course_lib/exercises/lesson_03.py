"""Exercises of lesson 03: freeze for good, a depth to decide on, a gentle recipe.

    cl.check("03-freeze", freeze)

Checks work on small random networks of their own, so that they take a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from ..images import ImageSet
from ..intervals import wilson
from ..mode import RUNNING
from ..models import load
from ..network import Network
from ..sources.dogworld import dogworld
from ..training.stage import Stage
from ..training.train import fit
from . import Task

COUNT = 3  # frozen blocks that the checks of `freeze` ask for
EPOCHS = 4  # passes that the checks of `gentle` ask for


def _small() -> Network:
    """A PawNet with random weights, all of it set to train, as a careless loop leaves it."""
    net = load("pawnet", ("a", "b"))
    net.model.train()
    return net


def _no_gradient(freeze: Callable[[Network, int], Any]) -> bool | str:
    net = _small()
    freeze(net, COUNT)
    left = [b.name for b in net.blocks[:COUNT] if any(p.requires_grad for p in b.parameters())]
    said = f"freeze(net, {COUNT}) freezes blocks 0 to {COUNT - 1}, and {', '.join(left)} can still get a gradient."
    return said if left else True


def _others_train(freeze: Callable[[Network, int], Any]) -> bool | str:
    net = _small()
    freeze(net, COUNT)
    held = [b.name for b in net.blocks[COUNT:] if not all(p.requires_grad for p in b.parameters())]
    if held:
        return f"freeze(net, {COUNT}) leaves block {COUNT} and all above it to train, and {', '.join(held)} is frozen."
    still = [b.name for b in net.blocks[COUNT:] if not all(m.training for m in _norms(b)) and _norms(b)]
    if still:
        return f"Trained blocks belong into train mode, and BatchNorm in {', '.join(still)} is in eval mode."
    return True


def _norms(block: Any) -> list[Any]:
    return [module for module in block.module.modules() if isinstance(module, RUNNING)]


def _fixed_function(freeze: Callable[[Network, int], Any]) -> bool | str:
    net = _small()
    freeze(net, COUNT)
    before, weights = net.fingerprint(COUNT), [p.clone() for b in net.blocks[:COUNT] for p in b.parameters()]
    trained = [p for p in net.model.parameters() if p.requires_grad]
    if not trained:
        return "Nothing trains any more; the blocks from `count` on have to."
    optimizer = torch.optim.SGD(trained, lr=0.1)
    for seed in (0, 1):
        images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        F.cross_entropy(net.run(net.prepare(images)), torch.tensor([0, 1, 0, 1])).backward()
        optimizer.step()
    if net.fingerprint(COUNT) == before:
        return True
    if all(map(torch.equal, weights, [p for b in net.blocks[:COUNT] for p in b.parameters()])):
        return "No frozen weight moved in two steps, but the running statistics of BatchNorm did: set the mode as well."
    return "Two training steps have moved weights of the frozen blocks."


_LOOP = "def freeze(net, count):\n    for number, block in enumerate(net.blocks):\n"
_GRADIENTS = "        for p in block.parameters():\n            p.requires_grad = number "

FREEZE = Task(
    "03-freeze",
    "Write freeze(net, count): the first `count` blocks become a fixed function, all others train.",
    stub='''def freeze(net, count):
    """Make the first `count` blocks of a network a fixed function; the others train."""
    for number, block in enumerate(net.blocks):
        ...         # block.parameters() has the weights, block.module is the module''',
    answer="freeze",
    checks=(
        ("no gradient reaches the frozen blocks", _no_gradient),
        ("all other blocks train, in gradients and in mode", _others_train),
        ("the hash of the frozen blocks stays the same in training", _fixed_function),
    ),
    solution="""def freeze(net, count):
    for number, block in enumerate(net.blocks):
        trains = number >= count
        block.module.train(trains)
        for p in block.parameters():
            p.requires_grad = trains""",
    wrong=(
        (_LOOP + _GRADIENTS + ">= count", "running statistics"),
        (_LOOP + "        block.module.train(number > count)\n" + _GRADIENTS + "> count", "leaves block 3"),
        (_LOOP + "        block.module.eval()\n" + _GRADIENTS + ">= count", "in eval mode"),
    ),
    hints=("`number >= count` says whether a block trains.", "`block.module.train(False)` is eval mode."),
)


def _low_end(decision: dict[str, Any]) -> bool | str:
    shares = decision["accuracies"]
    best = max(shares.values())
    if len(shares) < 2 or best <= 1:
        return f"`accuracies` holds {shares}: two depths or more are needed, in per cent (100 times the share)."
    low = 100 * wilson(best / 100, decision["images"])[0]
    if abs(decision["low"] - low) <= 1:
        return True
    return f"The best has {best:.1f} %. On {decision['images']} images its interval begins near {low:.1f} %, not at {decision['low']:.1f}."


def _near(decision: dict[str, Any]) -> list[int]:
    """Depths that val cannot tell from the best one."""
    return [frozen for frozen, share in decision["accuracies"].items() if share >= decision["low"]]


def _most_frozen(decision: dict[str, Any]) -> bool | str:
    chosen, most = decision["frozen"], max(_near(decision))
    if chosen not in _near(decision):
        return f"{chosen} frozen lies below the interval of the best one: val says that it is worse."
    return chosen == most or f"{most} frozen cannot be told from the best on val, and is cheaper than {chosen} frozen."


def _clear(decision: dict[str, Any]) -> bool | str:
    near = _near(decision)
    if decision["clear"] == (len(near) == 1):
        return True
    return f"`clear` is {decision['clear']}, and {len(near)} of the depths lie inside of the interval (frozen: {near})."


_LOW = """shares = {run["frozen"]: 100 * run["val"] for run in map_row}
count = len(dogs.rows("val"))
low = 100 * cl.wilson(max(shares.values()) / 100, count)[0]
"""
_SAY = 'decision = {"accuracies": shares, "images": count, "low": low, '

DECIDE = Task(
    "03-decide",
    "Decide how many blocks to freeze: of all depths that val cannot tell from the best, the one that freezes most.",
    stub="""shares = {run["frozen"]: 100 * run["val"] for run in map_row}      # in %
decision = None     # {"accuracies": shares, "images": ..., "low": ..., "frozen": ..., "clear": True or False}""",
    answer="decision",
    checks=(
        ("`low` is where the 95 % interval of the best accuracy begins", _low_end),
        ("of the depths inside of that interval the one that freezes most is chosen", _most_frozen),
        ("`clear` is True only where the best stands alone", _clear),
    ),
    solution=f"""{_LOW}near = [frozen for frozen, share in shares.items() if share >= low]
{_SAY}"frozen": max(near), "clear": len(near) == 1}}""",
    wrong=(
        (_LOW + _SAY + '"frozen": 0, "clear": False}', "is cheaper"),
        (_LOW + _SAY + '"frozen": 5, "clear": True}', "`clear` is True"),
        (
            _SAY.replace("shares", "{5: 0.77, 0: 0.8}").replace("count", "30").replace(": low", ": 60")
            + '"frozen": 5, "clear": True}',
            "per cent",
        ),
    ),
    given=lambda: {
        "map_row": [{"frozen": f, "val": v} for f, v in ((5, 0.77), (3, 0.78), (0, 0.8))],
        "dogs": dogworld("target", per_class=20, size=32),
        "cl": __import__("course_lib"),
    },
    hints=("cl.wilson(share, count) gives the interval of a share, both from 0 to 1.",),
)


def _all_epochs(gentle: Callable[[int], Sequence[Stage]]) -> bool | str:
    count = sum(stage.epochs for stage in gentle(EPOCHS))
    return count == EPOCHS or f"gentle({EPOCHS}) has stages of {count} epochs in all; {EPOCHS} are asked for."


def _moves(stages: Sequence[Stage]) -> list[float]:
    """How far each block of a small random network moves when a recipe trains it: mean change of a weight."""
    drawing = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (16, 3, 64, 64), generator=drawing, dtype=torch.uint8)
    images = ImageSet("noise", pixels, torch.arange(16) % 2, ("a", "b"), {"train": torch.arange(16)})
    net = load("pawnet", images.classes)
    before = net.copy()
    for _ in fit(net, images, list(stages), validate_every=0, device="cpu"):
        pass
    pairs = [
        list(zip(b.parameters(), a.parameters(), strict=True)) for b, a in zip(net.blocks, before.blocks, strict=True)
    ]
    return [torch.cat([(p - q).flatten().abs() for p, q in pair]).mean().item() for pair in pairs]


def _head_first(gentle: Callable[[int], Sequence[Stage]]) -> bool | str:
    *body, head = _moves(gentle(EPOCHS)[:1])
    if any(body):
        return "The first stage already moves the body, while the head is still random: begin with the head alone."
    return head > 0


def _body_later(gentle: Callable[[int], Sequence[Stage]]) -> bool | str:
    *body, _ = _moves(gentle(EPOCHS))
    return any(body) or "No block of the body has moved in the end: that is feature extraction, not fine-tuning."


def _lower_less(gentle: Callable[[int], Sequence[Stage]]) -> bool | str:
    lowest, *_, highest, _ = _moves(gentle(EPOCHS))
    if lowest <= 0.5 * highest:
        return True
    return (
        f"A weight of the stem moves {lowest / max(highest, 1e-12):.1f} times as far as one of the last body block; "
        "at most half as far is asked for. Lower its rate, or freeze it."
    )


_GENTLE = "def gentle(epochs):\n    return "

GENTLE = Task(
    "03-gentle",
    "Write gentle(epochs): a list of stages that trains the head first, then the body, lower blocks less; so many epochs in all.",
    stub='''def gentle(epochs):
    """Stages that are careful with the body; `epochs` passes over the images in all."""
    return [cl.Stage(frozen=0, epochs=epochs, lr=1e-3)]''',
    answer="gentle",
    checks=(
        ("the stages have as many epochs as asked for", _all_epochs),
        ("the first stage leaves the body as it is", _head_first),
        ("in the end some of the body has moved", _body_later),
        ("the stem has moved at most half as far as the last body block", _lower_less),
    ),
    solution="""def gentle(epochs):
    head = epochs // 2
    return [cl.Stage(frozen=-1, epochs=head, lr=3e-3), cl.Stage(epochs=epochs - head, lr=1e-3, decay=0.3)]""",
    wrong=(
        (_GENTLE + "[cl.Stage(frozen=0, epochs=epochs, lr=1e-3, decay=0.3)]", "begin with the head"),
        (_GENTLE + "cl.feature_extraction(epochs)", "not fine-tuning"),
        (_GENTLE + "cl.probe_then_fine_tune(epochs, decay=0.3)", "epochs in all"),
        (_GENTLE + "[cl.Stage(frozen=-1, epochs=1), cl.Stage(epochs=epochs - 1)]", "Lower its rate"),
    ),
    given=lambda: {"cl": __import__("course_lib")},
    hints=("A list of two stages: frozen=-1, then frozen=0 with a decay.",),
)

TASKS = (FREEZE, DECIDE, GENTLE)
