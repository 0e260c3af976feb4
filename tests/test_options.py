"""Options of a stage: each does what it says, against a plain reference, and what has no meaning is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from toys import differing, flags, make, run, toy_images, weights

from course_lib.augment import Augment
from course_lib.cache.remember import Pixels
from course_lib.errors import CourseError
from course_lib.evaluation import evaluate
from course_lib.images import ImageSet
from course_lib.network import Network
from course_lib.training import recipes
from course_lib.training.layers import adapt_norm, norms
from course_lib.training.learning_rate import lr_find
from course_lib.training.penalties import pull_back
from course_lib.training.stage import Stage
from course_lib.training.step import Step
from course_lib.training.train import fit


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "float32")


def one_gradient(
    stage: Stage, *, labels: torch.Tensor | None = None
) -> tuple[list[torch.Tensor], torch.Tensor, nn.Linear]:
    """Gradients that one step of a head leaves, the features it saw, and the head before the step."""
    toys, net = toy_images(train=9), make("pawnet")
    if labels is not None:
        toys = replace(toys, labels=labels)
    head = nn.Linear(192, 3)
    head.load_state_dict(net.model.head.state_dict())
    step = Step(net, stage, stage.loss_weights(toys.labels[:9], 3), {})
    features = evaluate_features(net, toys)
    step(lambda rows: features[rows], torch.arange(9), toys.labels, 1e-9, (0, 0, 0, 0))
    return [p.grad for p in net.model.head.parameters()], features, head


def evaluate_features(net: Network, toys: ImageSet) -> torch.Tensor:
    with torch.no_grad(), net.mode(len(net)):
        return net.run(net.prepare(toys.images), 0, 5)


UNEVEN = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 2] + [0, 1, 2] * 4)[:20]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(
    ("given", "reference"), [(None, None), ("balanced", [0.5, 1.5, 3.0]), ((1.0, 0.0, 4.0), [1.0, 0, 4])]
)
def test_class_weights_give_the_gradient_of_torch_s_weighted_mean(given, reference, smoothing):
    stage = Stage(frozen=-1, class_weights=given, label_smoothing=smoothing)
    gradients, features, head = one_gradient(stage, labels=UNEVEN)
    weight = None if reference is None else torch.tensor(reference)
    F.cross_entropy(head(features[:9]), UNEVEN[:9], weight, label_smoothing=smoothing).backward()
    for mine, theirs in zip(gradients, head.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs.grad, rtol=1e-5, atol=1e-7)


def test_mixup_trains_on_mixed_features_and_mixed_targets():
    gradients, features, head = one_gradient(Stage(frozen=-1, mixup=0.4))
    draw = np.random.default_rng([0, 0, 0, 0, 1])
    keep, order = draw.beta(0.4, 0.4), torch.from_numpy(draw.permutation(9))
    labels = toy_images(train=9).labels[:9]
    scores = head(keep * features[:9] + (1 - keep) * features[order])
    (keep * F.cross_entropy(scores, labels) + (1 - keep) * F.cross_entropy(scores, labels[order])).backward()
    assert 0.01 < keep < 0.99, "the draw of this test does mix"
    for mine, theirs in zip(gradients, head.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs.grad, rtol=1e-4, atol=1e-7)


def test_pull_equals_the_penalty_in_the_loss_on_plain_sgd():
    """lr 1e-4: the two differ by pull * lr^2 a step at most, far below what either moves."""
    torch.manual_seed(0)
    x, y, pull, lr = torch.randn(64, 10, dtype=torch.float64), torch.randn(64, dtype=torch.float64), 5.0, 1e-4
    begin = torch.randn(10, dtype=torch.float64)
    in_loss, decoupled = begin.clone().requires_grad_(), begin.clone().requires_grad_()
    for _ in range(500):
        loss = (x @ in_loss - y).square().mean() + pull / 2 * (in_loss - begin).square().sum()
        (gradient,) = torch.autograd.grad(loss, in_loss)
        in_loss.data -= lr * gradient
        (gradient,) = torch.autograd.grad((x @ decoupled - y).square().mean(), decoupled)
        decoupled.data -= lr * gradient
        pull_back([decoupled], [begin], lr * pull)
    moved = (in_loss - begin).abs().max()
    free = begin.clone().requires_grad_()
    for _ in range(500):
        free.data -= lr * torch.autograd.grad((x @ free - y).square().mean(), free)[0]
    assert (in_loss - decoupled).abs().max() < 1e-3 * moved
    assert (free - decoupled).abs().max() > 0.05 * moved, "the pull does something"


def test_pull_holds_the_body_near_its_start_and_leaves_the_head_free():
    toys = toy_images()
    begin = make("pawnet")
    far, near = begin.copy(), begin.copy()
    run(far, toys, Stage(frozen=3, epochs=4, lr=1e-2))
    run(near, toys, Stage(frozen=3, epochs=4, lr=1e-2, pull=50.0))

    body, head = slice(3, 5), slice(5, 6)
    assert _gap(near, begin, body) < 0.5 * _gap(far, begin, body)
    assert _gap(near, begin, head) > 0.5 * _gap(far, begin, head)


def test_pull_is_towards_the_start_of_the_run_and_not_of_the_stage():
    toys, begin = toy_images(), make("pawnet")
    net = begin.copy()
    wild, held = (
        Stage(frozen=4, epochs=3, lr=3e-2),
        Stage(frozen=4, epochs=30, lr=1e-2, pull=100.0, schedule="constant"),
    )
    run(net, toys, [wild, held])
    away, other = begin.copy(), begin.copy()
    run(away, toys, wild)
    run(other, toys, wild)
    run(other, toys, held)  # a run of its own: pulled to where `wild` ended

    assert _gap(net, begin) < 0.5 * _gap(other, begin)
    assert _gap(other, away) < _gap(net, away)


@torch.no_grad()
def _gap(a: Network, b: Network, blocks: slice = slice(4, 5)) -> float:
    """Distance between the parameters of some blocks of two networks."""
    pairs = zip(a.blocks[blocks], b.blocks[blocks], strict=True)
    squares = [(x - y).square().sum() for c, d in pairs for x, y in zip(c.parameters(), d.parameters(), strict=True)]
    return float(sum(squares)) ** 0.5


@pytest.mark.parametrize(("name", "inside"), [("pawnet", 0), ("mobilenet_v2", 1)])
def test_dropout_of_the_head_drops_its_share_and_leaves_no_trace(name, inside):
    toys, net = toy_images(size=32, val=0), make(name)
    own = [m.p for m in net.blocks[-1].module.modules() if isinstance(m, nn.Dropout)]
    assert len(own) == inside
    head = next(m for m in net.model.modules() if isinstance(m, nn.Linear))
    seen = []
    hook = head.register_forward_hook(lambda layer, args, out: seen.append(args[0].clone()))
    before = flags(net)
    shares = {}
    for dropout in (0.75, 0.0, None):
        run(net, toys, Stage(frozen=-1, epochs=1, batch=12, lr=1e-9, dropout=dropout))
        shares[dropout] = seen.pop()
    hook.remove()
    alive = shares[0.0] != 0
    dropped = float((shares[0.75][alive] == 0).float().mean())
    assert 0.7 < dropped < 0.8
    torch.testing.assert_close(shares[0.75][alive & (shares[0.75] != 0)], 4 * shares[0.0][alive & (shares[0.75] != 0)])
    assert torch.equal(shares[None] == 0, shares[0.0] == 0) == (inside == 0), "None is as the network was built"
    assert [m.p for m in net.blocks[-1].module.modules() if isinstance(m, nn.Dropout)] == own
    assert flags(net) == before and not head._forward_pre_hooks


def test_sgd_is_torch_s_sgd_with_momentum():
    toys, net = toy_images(train=6), make("pawnet")
    twin = net.copy()
    stage = Stage(frozen=-1, epochs=3, lr=0.1, optimizer="sgd", schedule="constant", weight_decay=0.1, batch=6)
    run(net, toys, stage)
    head, features = twin.model.head, evaluate_features(twin, toys)
    groups = [{"params": [head.weight], "weight_decay": 0.1}, {"params": [head.bias], "weight_decay": 0.0}]
    reference = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    for _ in range(3):
        reference.zero_grad()
        F.cross_entropy(head(features[:6]), toys.labels[:6]).backward()
        reference.step()
    torch.testing.assert_close(net.model.head.weight, head.weight, rtol=1e-5, atol=1e-6)


# BatchNorm


def test_adapted_statistics_are_those_of_the_training_images_and_then_stay():
    toys, net = toy_images(train=40), make("pawnet")
    twin = net.copy()
    run(net, toys, Stage(frozen=0, epochs=1, norm="adapt", lr=1e-12, weight_decay=0))
    layer, conv = net.model.stem[1], twin.model.stem[0]
    with torch.no_grad():
        maps = conv(twin.prepare(toys.images[:40]))
    torch.testing.assert_close(layer.running_mean, maps.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.running_var, maps.var((0, 2, 3)), rtol=1e-3, atol=1e-5)
    assert layer.momentum == 0.1


def test_adapting_leaves_the_frozen_blocks_and_the_flags_alone():
    toys, net = toy_images(), make("pawnet")
    before, body = flags(net), net.fingerprint(3)
    adapt_norm(net, Pixels(net, toys), toys.rows("train"), 0)
    assert flags(net) == before and net.fingerprint(3) != body
    body = net.fingerprint(3)
    run(net, toys, Stage(frozen=3, epochs=2, norm="adapt"))
    assert net.fingerprint(3) == body


def test_frozen_norm_train_moves_statistics_but_no_weight_of_frozen_blocks():
    toys, net = toy_images(), make("pawnet")
    before, held = weights(net), flags(net)
    run(net, toys, [Stage(frozen=4, epochs=1, frozen_norm="train"), Stage(frozen=5, epochs=1)])
    changed = [
        name for name in differing(weights(net), before) if name.startswith(("stem", "stage1", "stage2", "stage3"))
    ]
    assert changed and all("running" in name or "tracked" in name for name in changed)
    assert flags(net) == held
    assert not any(r.phase == "remember" for r in run(net, toys, Stage(frozen=4, epochs=1, frozen_norm="train")))


# Early stopping, and the best weights


def test_patience_ends_the_stage_and_the_counts_say_so():
    toys, net = toy_images(train=12, val=6), make("pawnet")
    # A rate this small changes nothing: the first look stays the best.
    stage = Stage(frozen=-1, epochs=50, lr=1e-12, batch=4, patience=3)
    records = run(net, toys, [stage, Stage(frozen=-1, epochs=2, batch=4)])
    first = [r for r in records if r.stage == 0 and r.val is not None]
    assert len(first) == 4 and "46 epochs early" in first[-1].note and "46 epochs early" in first[-1].text
    assert records[-1].step == records[-1].steps == (4 + 2) * 3 and records[-1].progress == 1


def test_keep_best_ends_with_the_weights_of_the_best_look():
    toys, net = toy_images(train=12, val=9), make("pawnet")
    stage = Stage(frozen=4, epochs=8, lr=0.3, schedule="constant", batch=4, keep_best=True)
    twin, kept = net.copy(), []
    for record in fit(twin, toys, replace(stage, keep_best=False), device="cpu"):
        if record.val is not None:
            kept.append(((record.val.accuracy, -record.val.loss), weights(twin)))
    best = max(range(len(kept)), key=lambda i: (kept[i][0], -i))
    assert best < len(kept) - 1, "the last look is not the best one, or this test says nothing"
    run(net, toys, stage)
    assert differing(weights(net), kept[best][1]) == []


# Schedules


def test_warm_up_rises_over_its_share_for_every_schedule():
    for schedule in ("one_cycle", "cosine", "constant"):
        stage = Stage(schedule=schedule, warm_up=0.5)
        rates = [stage.rate(i / 100) for i in range(101)]
        assert rates[:51] == sorted(rates[:51]) and rates[0] < 0.05 and rates[50] == pytest.approx(1)
        assert rates[100] == pytest.approx(1 if schedule == "constant" else 0, abs=1e-9)
    assert Stage(schedule="one_cycle", warm_up=0.0).rate(0.0) == 1


# Recipes


def test_gradual_unfreezing_frees_block_after_block():
    cuts = [stage.frozen for stage in recipes.gradual_unfreezing((-1, -2, -4, 0), epochs=2, pull=1.0)]
    assert cuts == [-1, -2, -4, 0]
    toys, net = toy_images(), make("pawnet")
    assert run(net, toys, recipes.gradual_unfreezing(epochs=1))[-1].stage == 2
    for wrong in ((), (-2, -1), (3, 4), (2, -1), (0, 0), (0,), (-1, -1)):
        with pytest.raises(CourseError, match="frees more"):
            recipes.gradual_unfreezing(wrong)


def test_lr_find_suggests_a_rate_that_learns_and_leaves_the_net_alone():
    toys, net = toy_images(train=30), make("pawnet")
    before, held = weights(net), flags(net)
    found = lr_find(net, toys, Stage(frozen=-1, batch=10), highest=10.0)
    assert differing(weights(net), before) == [] and flags(net) == held
    assert list(found.rates) == sorted(found.rates) and len(found.rates) == len(found.losses)
    assert 1e-6 < found.suggestion < found.rates[found.losses.index(min(found.losses))]
    run(net, toys, Stage(frozen=-1, epochs=20, batch=10, lr=found.suggestion))
    assert evaluate(net, toys, "train").accuracy > 0.8
    again = lr_find(make("pawnet"), toys, Stage(frozen=-1, batch=10), highest=10.0)
    assert again == found


# Out of memory


def test_out_of_memory_passes_the_batch_in_parts_to_the_same_end(monkeypatch):
    toys, net = toy_images(train=24), make("pawnet")
    twin, stage = net.copy(), Stage(frozen=3, epochs=2, batch=12, norm="eval", schedule="constant", optimizer="sgd")
    run(twin, toys, stage)
    real = Step._scores

    def small(self, x):
        if len(x) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        return real(self, x)

    monkeypatch.setattr(Step, "_scores", small)
    records = run(net, toys, stage)
    notes = [r.note for r in records if r.note]
    assert len(notes) == 1 and "passes in 4 parts" in notes[0], "told once, then remembered"
    for name, tensor in weights(net).items():
        torch.testing.assert_close(tensor, weights(twin)[name], rtol=1e-5, atol=1e-6)


def test_out_of_memory_on_the_smallest_part_is_a_sentence(monkeypatch):
    def never(self, x):
        raise torch.OutOfMemoryError("CUDA out of memory (simulated)")

    monkeypatch.setattr(Step, "_scores", never)
    net = make("pawnet")
    before = weights(net)
    with pytest.raises(CourseError, match="ran out of memory on a batch of 12"):
        run(net, toy_images(train=12), Stage(frozen=3, epochs=1, batch=12))
    assert differing(weights(net), before) == [] and all(p.grad is None for p in net.model.parameters())


# What has no meaning is refused


@pytest.mark.parametrize(
    ("name", "stage", "words"),
    [
        ("squeezenet1_0", Stage(frozen=-1, norm="adapt"), "have none"),
        ("pawnet", Stage(frozen=-1, norm="adapt"), "have none"),
        ("pawnet", Stage(frozen=0, frozen_norm="train"), "has none there"),
        ("pawnet", Stage(frozen=-1, pull=0.1), "head alone"),
        ("pawnet", Stage(class_weights=(1.0, 2.0)), "3 classes"),
    ],
)
def test_a_combination_without_meaning_is_refused(name, stage, words):
    with pytest.raises(CourseError, match=words):
        fit(make(name), toy_images(), stage, device="cpu")


def test_looking_at_val_needs_a_val_split_and_looks():
    toys = toy_images()
    for stage in (Stage(patience=1), Stage(keep_best=True)):
        with pytest.raises(CourseError, match="val split"):
            fit(make("pawnet"), toys, stage, validate_every=0, device="cpu")
        with pytest.raises(CourseError, match="val split"):
            fit(make("pawnet"), toy_images(val=0), stage, device="cpu")


def test_balanced_weights_need_an_image_of_each_class():
    toys = toy_images(train=2)
    with pytest.raises(CourseError, match=r"classes \[2\]"):
        fit(make("pawnet"), toys, Stage(class_weights="balanced"), device="cpu")


@pytest.mark.parametrize(
    "options",
    [
        {"norm": "none"},
        {"frozen_norm": "adapt"},
        {"optimizer": "adam"},
        {"warm_up": 1.0},
        {"pull": -1.0},
        {"pull": 2000.0},
        {"class_weights": (1.0,)},
        {"class_weights": (0.0, 0.0)},
        {"class_weights": (1.0, math.nan)},
        {"class_weights": "even"},
        {"dropout": 1.0},
        {"mixup": -0.1},
        {"views": 3},
        {"patience": -1},
        {"patience": True},
        {"keep_best": 1},
        {"augment": "flip"},
        {"lr": "fast"},
    ],
)
def test_a_value_out_of_range_is_a_sentence(options):
    with pytest.raises(CourseError, match=f"Stage\\({next(iter(options))}="):
        Stage(**options)


def test_every_option_of_a_stage_is_looked_at():
    """A new field without a rule would be taken as it comes."""
    told = {"frozen", "name"}  # counted against the network; any text
    for field in Stage.__dataclass_fields__:
        if field not in told:
            with pytest.raises(CourseError):
                Stage(**{"augment": Augment(), field: object()})


def test_norms_are_found():
    assert len(norms(make("pawnet").blocks)) == 1 + 2 + 3 * 3 + 1
