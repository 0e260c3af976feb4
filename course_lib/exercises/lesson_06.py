"""Exercises of lesson 06: a barrier by hand, a pair to average, and a soup.

    cl.check("06-barrier", barrier)

Checks use made-up lines and small random networks of their own, so that they take a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..landscape import Line
from ..landscape.vectors import statistics_of, weights_of
from ..models import load
from ..network import Network
from . import Task

CLOSE = 0.005  # of an accuracy that is read off a line
COST = 0.05  # accuracy that averaging may cost
NO_NUMBER = "`barrier` gives no number back yet."
NO_NETWORK = "There is no Network yet to look at."


# A barrier by hand.


def _on_a_ramp(barrier: Callable[[Sequence[float]], float]) -> bool | str:
    ramp = [1.0, 1.5, 2.0, 2.5, 3.0]
    found = barrier(ramp)
    if found is None:
        return NO_NUMBER
    if abs(found) < 1e-6:
        return True
    if abs(found - max(ramp)) < 1e-6:
        return "That is the highest loss. A barrier is how far the loss rises above the straight line between the ends."
    if abs(found - 1.0) < 1e-6:
        return "Above the mean of the ends is not enough: the ends may differ, so compare with the line between them."
    return f"Losses that follow a straight line from 1 to 3 have no barrier; yours is {found:.3g}."


def _on_a_hill(barrier: Callable[[Sequence[float]], float]) -> bool | str:
    losses = [0.2, 0.5, 2.0, 1.4, 1.0]  # the line between the ends: 0.2, 0.4, 0.6, 0.8, 1.0
    found = barrier(losses)
    if found is None:
        return NO_NUMBER
    return abs(found - 1.4) < 1e-6 or f"For {losses} the highest excess is 1.4, at the middle; yours is {found:.3g}."


def _in_a_valley(barrier: Callable[[Sequence[float]], float]) -> bool | str:
    found = barrier([1.0, 0.2, 1.0])
    if found is None:
        return NO_NUMBER
    if abs(found) < 1e-6:
        return True
    return f"In a valley the loss never rises above the line, so the barrier is 0; yours is {found:.3g}."


BARRIER = Task(
    "06-barrier",
    "Write the barrier of a line from its losses at evenly spaced points: the highest rise above the straight line between "
    "the losses of the two ends.",
    """def barrier(losses):
    # losses[0] and losses[-1] belong to the two networks
    return None""",
    "barrier",
    (
        ("a straight ramp has no barrier", _on_a_ramp),
        ("a hill between unequal ends is measured from the line below it", _on_a_hill),
        ("a valley has no barrier", _in_a_valley),
    ),
    """def barrier(losses):
    steps = len(losses) - 1
    line = [losses[0] + i / steps * (losses[-1] - losses[0]) for i in range(len(losses))]
    return max(loss - below for loss, below in zip(losses, line))""",
    (
        ("def barrier(losses):\n    return max(losses)", "That is the highest loss"),
        ("def barrier(losses):\n    return max(losses) - (losses[0] + losses[-1]) / 2", "Above the mean of the ends"),
        (
            "def barrier(losses):\n    steps = len(losses) - 1\n    line = [losses[0] + i / steps * (losses[-1] - losses[0]) "
            "for i in range(len(losses))]\n    return max(abs(loss - below) for loss, below in zip(losses, line))",
            "In a valley the loss never rises",
        ),
    ),
    hints=("Point i of n + 1 lies i / n of the way from the first end to the last.",),
)


# Which pair would you average?


def _is_a_choice(answer: Any) -> bool | str:
    chosen, lines = answer
    if chosen.get("pair") not in lines:
        return f"`pair` is one of {', '.join(map(repr, lines))}; received {chosen.get('pair')!r}."
    return True


def _is_the_number(answer: Any) -> bool | str:
    chosen, lines = answer
    line, said = lines.get(chosen.get("pair")), chosen.get("halfway")
    if line is None or not isinstance(said, (int, float)):
        return "Give `halfway` as a number, read off the line of the pair that you chose."
    middle = line.accuracies[len(line.accuracies) // 2]
    if abs(said - middle) <= CLOSE:
        return True
    if abs(said - 100 * middle) <= 100 * CLOSE:
        return "That is in per cent; `accuracies` are shares from 0 to 1."
    if min(abs(said - line.accuracies[0]), abs(said - line.accuracies[-1])) <= CLOSE:
        return "That is the accuracy of one of the two networks. The average of their weights lies halfway."
    return f"Halfway between the two {chosen['pair']} networks the line says something else than {said:.3g}."


def _costs_little(answer: Any) -> bool | str:
    chosen, lines = answer
    line = lines.get(chosen.get("pair"))
    if line is None:
        return "Choose a pair first."
    lost = min(line.accuracies[0], line.accuracies[-1]) - line.accuracies[len(line.accuracies) // 2]
    return (
        lost <= COST or f"The average of this pair names {lost:.0%} fewer of the images rightly than either of the two."
    )


def _lines() -> dict[str, Any]:
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    low, high = (0.10, 0.12, 0.14, 0.13, 0.11), (0.05, 1.1, 2.2, 1.3, 0.04)
    tuned = Line(shares, low, (0.98, 0.98, 0.97, 0.96, 0.95))
    return {"lines": {"fine-tuned": tuned, "scratch": Line(shares, high, (0.99, 0.6, 0.2, 0.5, 1.0))}}


AVERAGE = Task(
    "06-average",
    "You may ship one network, and want to average the weights of two. Which pair do you average? Justify it by one number: the "
    "accuracy halfway.",
    """# decision = {"pair": "...", "halfway": ...}     # a key of `lines`; a share from 0 to 1
decision = None""",
    "decision and (decision, lines)",
    (
        ("a pair is chosen", _is_a_choice),
        ("the number is the accuracy halfway on its line", _is_the_number),
        ("averaging costs at most 0.05 of the accuracy of either", _costs_little),
    ),
    """best = max(lines, key=lambda name: lines[name].accuracies[len(lines[name].accuracies) // 2])
accuracies = lines[best].accuracies
decision = {"pair": best, "halfway": accuracies[len(accuracies) // 2]}""",
    (
        ('decision = {"pair": "scratch", "halfway": lines["scratch"].accuracies[2]}', "fewer of the images rightly"),
        ('decision = {"pair": "fine-tuned", "halfway": lines["fine-tuned"].accuracies[-1]}', "one of the two networks"),
        ('decision = {"pair": "fine-tuned", "halfway": 97.0}', "That is in per cent"),
    ),
    given=_lines,
    hints=("`lines[name].accuracies` holds the accuracies along the line, the two networks themselves at both ends.",),
)


# A soup.


def _three() -> list[Network]:
    return [load("pawnet", ("a", "b"), "animals" if seed else None, seed) for seed in range(3)]


def _mean_weights(soup: Callable[[list[Network]], Any]) -> bool | str:
    nets = _three()
    made = soup(nets)
    if not isinstance(made, Network):
        return f"soup gives back a Network; yours gives {type(made).__name__}. Begin with a copy: nets[0].copy()."
    wanted = torch.stack([weights_of(net) for net in _three()]).mean(0)
    found = weights_of(made)
    if torch.allclose(found, wanted, atol=1e-5):
        return True
    if torch.allclose(found, sum(weights_of(net) for net in _three()), atol=1e-4):
        return "That is the sum of the weights; the mean divides by the number of networks."
    return "The weights are not the mean over all of the networks."


def _left_alone(soup: Callable[[list[Network]], Any]) -> bool | str:
    nets = _three()
    made, before = soup(nets), [net.fingerprint() for net in _three()]
    if not isinstance(made, Network):
        return NO_NETWORK
    if made in nets:
        return "You gave back one of the networks that were given; the soup is a network of its own."
    changed = [i for i, net in enumerate(nets) if net.fingerprint() != before[i]]
    return not changed or f"Network {changed[0]} of the given ones was changed. Write into a copy of it."


def _statistics(soup: Callable[[list[Network]], Any]) -> bool | str:
    nets = _three()
    made = soup(nets)
    if not isinstance(made, Network):
        return NO_NETWORK
    found, held = statistics_of(made), [statistics_of(net) for net in _three()]
    for name in (name for name in found if name.endswith("running_mean")):
        if not torch.allclose(found[name], torch.stack([each[name] for each in held]).mean(0), atol=1e-4):
            return "BatchNorm's running means are still those of one network. They are no weights: mix_statistics mixes them."
    return True


SOUP = Task(
    "06-soup",
    "Make: average any number of networks of one architecture into a new one, weights and BatchNorm statistics (a 'model soup', "
    "Wortsman et al. 2022). Then cook one of your fine-tuned networks, and compare it on val with each of them.",
    """def soup(nets):
    # landscape.vectors has weights_of, put_weights, statistics_of, put_statistics, mix_statistics
    return None""",
    "soup",
    (
        ("the weights are the mean over all networks", _mean_weights),
        ("the networks that were given stay as they are", _left_alone),
        ("BatchNorm's statistics are mixed as well", _statistics),
    ),
    """from course_lib.landscape.vectors import mix_statistics, put_statistics, put_weights, statistics_of, weights_of

def soup(nets):
    made = nets[0].copy()
    put_weights(made, sum(weights_of(net) for net in nets) / len(nets))
    put_statistics(made, mix_statistics([statistics_of(net) for net in nets], [1 / len(nets)] * len(nets)))
    return made""",
    (
        (
            "from course_lib.landscape.vectors import put_weights, weights_of\n\ndef soup(nets):\n    made = nets[0].copy()\n"
            "    put_weights(made, sum(weights_of(net) for net in nets) / len(nets))\n    return made",
            "running means are still those of one network",
        ),
        (
            "from course_lib.landscape.vectors import put_weights, weights_of\n\ndef soup(nets):\n    made = nets[0].copy()\n"
            "    put_weights(made, sum(weights_of(net) for net in nets))\n    return made",
            "That is the sum of the weights",
        ),
        (
            "from course_lib.landscape.vectors import put_weights, weights_of\n\ndef soup(nets):\n    put_weights(nets[0], "
            "sum(weights_of(net) for net in nets) / len(nets))\n    return nets[0]",
            "the soup is a network of its own",
        ),
    ),
    hints=(
        "put_weights(net, vector) writes a vector into a network in place; take a copy first.",
        "mix_statistics(list of statistics, shares) mixes BatchNorm's means and variances.",
    ),
)

TASKS = (BARRIER, AVERAGE, SOUP)
