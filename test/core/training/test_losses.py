"""Loss functions, compared with sums that are written out number by number."""

from math import exp, log

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from siammaskpp_core.training import losses
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.objective import Batch, Prediction, batch_losses, logged_values, total_loss

PICTURES, ANCHORS, CELLS = 3, 2, 4


@pytest.fixture
def labels():
    """Labels 1 (positive), 0 (negative) and -1 (ignored); the last pair has no positive."""
    values = np.random.default_rng(0).choice([-1, 0, 1], (PICTURES, ANCHORS, CELLS, CELLS), p=[0.3, 0.5, 0.2])
    values[2][values[2] == 1] = 0
    return values


def cross_entropies(logits, labels, label):
    """-log of the softmax probability of `label` at the anchors that have it, as a list per pair."""
    return [
        [
            -log(exp(pair[label]) / (exp(pair[0]) + exp(pair[1])))
            for anchor, row, column in np.ndindex(labels.shape[1:])
            if labels[picture, anchor, row, column] == label
            for pair in [[logits[picture, kind * ANCHORS + anchor, row, column] for kind in (0, 1)]]
        ]
        for picture in range(len(labels))
    ]


def mean(values):
    return sum(values) / len(values)


def test_classification_loss(labels):
    logits = np.random.default_rng(1).normal(0, 2, (PICTURES, 2 * ANCHORS, CELLS, CELLS))
    own = losses.classification_loss(torch.tensor(logits), torch.tensor(labels))
    by_picture = losses.classification_loss(torch.tensor(logits), torch.tensor(labels), per_pair=True)
    for label, one, other in zip((1, 0), own, by_picture, strict=True):
        expected = cross_entropies(logits, labels, label)
        assert float(one.value) == pytest.approx(
            mean([value for some in expected for value in some]), rel=1e-5
        )
        assert int(one.count) == sum(map(len, expected))
        assert float(other.value) == pytest.approx(mean([mean(some) for some in expected if some]), rel=1e-5)


def smooth_l1(x, omega):
    return 0.5 * omega**2 * x**2 if abs(x) < 1 / omega**2 else abs(x) - 1 / (2 * omega**2)


@pytest.mark.parametrize("omega", [1.0, 3.0])
def test_box_loss(labels, omega):
    rng = np.random.default_rng(2)
    offsets = rng.normal(0, 0.5, (PICTURES, 4 * ANCHORS, CELLS, CELLS))
    targets = rng.normal(0, 0.5, (PICTURES, 4, ANCHORS, CELLS, CELLS))
    expected = []
    for picture in range(PICTURES):
        sums = [
            sum(
                smooth_l1(offsets[picture, i * ANCHORS + a, r, c] - targets[picture, i, a, r, c], omega)
                for i in range(4)
            )
            for a, r, c in np.ndindex(labels.shape[1:])
            if labels[picture, a, r, c] == 1
        ]
        expected.append(mean(sums) if sums else 0.0)
    arguments = torch.tensor(offsets), torch.tensor(targets).float(), torch.tensor(labels), omega
    assert float(losses.box_loss(*arguments).value) == pytest.approx(sum(expected) / 3, rel=1e-5)
    only_targets = losses.box_loss(*arguments, every_pair=False)
    assert float(only_targets.value) == pytest.approx(sum(expected) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("omega", "x", "expected"),
    [(3.0, 0.1, 0.045), (3.0, 1.0, 1 - 1 / 18), (1.0, 0.5, 0.125), (1.0, 2.0, 1.5)],
)
def test_smooth_l1_on_both_sides_of_its_threshold(omega, x, expected):
    offsets = torch.zeros(1, 4, 1, 1)
    offsets[0, 2] = x
    loss = losses.box_loss(offsets, torch.zeros(1, 4, 1, 1, 1), torch.ones(1, 1, 1, 1), omega)
    assert float(loss.value) == pytest.approx(expected, rel=1e-5)


def test_overlaps_of_boxes_do_not_depend_on_the_size_of_their_anchor():
    """Boxes 4x2 and 4x4 in pixels, from an anchor of 8x4 at the origin; the numbers are counted by hand."""
    anchor = torch.tensor([0.0, 0.0, 8.0, 4.0])

    def offsets(cx, cy, width, height):
        return torch.tensor([cx / 8, cy / 4, log(width / 8), log(height / 4)]).view(1, 4, 1, 1)

    assert anchor[2] / anchor[3] == 2
    one, other = offsets(0, 0, 4, 2), offsets(2, 0, 4, 4)
    overlap, giou = losses.box_overlaps(one, other.view(1, 4, 1, 1, 1))
    # 2x2 in common, 8 + 16 - 4 in the union, 6x4 in the hull
    assert float(overlap) == pytest.approx(4 / 20)
    assert float(giou) == pytest.approx(4 / 20 - 4 / 24)
    apart = losses.box_overlaps(one, offsets(100, 0, 4, 2).view(1, 4, 1, 1, 1))
    assert float(apart[0]) == 0
    assert float(apart[1]) == pytest.approx(16 / 208 - 1)
    same = losses.box_overlaps(one, one.view(1, 4, 1, 1, 1))
    assert [float(value) for value in same] == pytest.approx([1, 1])


def test_the_giou_loss_pulls_boxes_together_that_do_not_touch():
    offsets = torch.zeros(1, 4, 1, 1, requires_grad=True)
    target = torch.tensor([3.0, 0, 0, 0]).view(1, 4, 1, 1, 1)
    _, giou = losses.box_overlaps(offsets, target)
    loss = losses.giou_loss(giou, torch.ones(1, 1, 1, 1))
    loss.value.backward()
    assert float(loss.value.detach()) > 1
    assert offsets.grad[0, 0] < 0  # a step against the gradient moves the box to the right
    assert int(losses.giou_loss(giou, torch.zeros(1, 1, 1, 1), every_pair=False).count) == 0


def test_the_quality_of_anchors_follows_their_boxes():
    overlaps = torch.tensor([0.8, 0.4, 0.9, 0.0]).view(1, 1, 2, 2)
    labels = torch.tensor([1, 1, 0, 1]).view(1, 1, 2, 2)
    quality = losses.relative_quality(overlaps, labels, 2.0)[0, 0]
    assert quality.flatten().tolist() == pytest.approx([1, 0.25, 0, 0])
    nothing = losses.relative_quality(overlaps, torch.zeros_like(labels), 2.0)
    assert bool(torch.isfinite(nothing).all())


def test_a_quality_of_one_is_the_plain_classification_loss(labels):
    logits = torch.tensor(np.random.default_rng(1).normal(0, 2, (PICTURES, 2 * ANCHORS, CELLS, CELLS)))
    labels = torch.tensor(labels)
    plain = losses.classification_loss(logits, labels, per_pair=True)
    ones = losses.classification_loss(logits, labels, True, torch.ones_like(labels))
    assert [float(mean.value) for mean in ones] == pytest.approx([float(mean.value) for mean in plain])


def test_the_best_logit_of_an_anchor_is_that_of_its_quality():
    logits = torch.zeros(1, 2, 1, 1, requires_grad=True)
    quality = torch.full((1, 1, 1, 1), 0.7)
    with torch.no_grad():
        logits[0, 1] = log(0.7 / 0.3)
    positive, _ = losses.classification_loss(logits, torch.ones(1, 1, 1, 1), True, quality)
    positive.value.backward()
    assert logits.grad.abs().max() < 1e-6


def test_mask_loss():
    """The paper sums over all positions n; our function only gets those with c_n = 1."""
    rng = np.random.default_rng(3)
    logits, masks = rng.normal(0, 2, (4, 1, 7, 5)), rng.integers(0, 2, (4, 7, 5))
    c = [1, -1, 1, 1]
    expected = 0.0
    for n in range(4):
        inner = 0.0
        for i, j in np.ndindex(7, 5):
            inner += log(1 + exp(-(2 * masks[n, i, j] - 1) * logits[n, 0, i, j]))
        expected += (1 + c[n]) / (2 * 7 * 5) * inner
    positive = [n for n in range(4) if c[n] == 1]
    loss = losses.mask_loss(torch.tensor(logits[positive]), torch.tensor(masks[positive]))
    assert float(loss.total) == pytest.approx(expected, rel=1e-5)
    assert float(loss.value) == pytest.approx(expected / 3, rel=1e-5)


def test_mask_loss_of_nothing():
    loss = losses.mask_loss(torch.zeros(0, 1, 127, 127), torch.zeros(0, 127, 127))
    assert float(loss.value) == 0


def test_dice_loss():
    masks = torch.zeros(2, 127, 127)
    masks[0, :10, :10] = 1
    logits = torch.full((2, 1, 127, 127), -50.0)
    logits[0, 0, :10, :20] = 50
    means = losses.dice_loss(logits, masks)
    # 100 common pixels of 200 and 100; of nothing, nothing is what is wanted
    assert means.count == 2
    assert means.total == pytest.approx((1 - 201 / 301) + 0, abs=1e-5)


def test_mask_overlap():
    logits = torch.tensor([[[[2.0, 1.0], [-1.0, -3.0]]], [[[1.0, 1.0], [1.0, 1.0]]]])
    masks = torch.tensor([[[1, 0], [1, 0]], [[1, 1], [1, 1]]])
    assert float(losses.mask_overlap(logits, masks).value) == pytest.approx((1 / 3 + 1) / 2)


def test_hard_and_random_background_anchors():
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(2, 2, 15, 15))
    labels = rng.choice([-1, 0, 1], (2, 1, 15, 15), p=[0.1, 0.8, 0.1])
    draws = rng.random((2, 1, 15, 15))
    kept = losses.hard_negatives(torch.tensor(logits), torch.tensor(labels), torch.tensor(draws)).numpy()
    for picture in range(2):
        background = [tuple(cell) for cell in np.argwhere(labels[picture, 0] == 0)]
        hardness = {cell: logits[picture, 1][cell] - logits[picture, 0][cell] for cell in background}
        hard = sorted(background, key=lambda cell, values=hardness: -values[cell])[:16]
        drawn = sorted(background, key=lambda cell, picture=picture: -draws[picture, 0][cell])[:32]
        assert {tuple(cell) for cell in np.argwhere(kept[picture, 0] == 0)} == {*hard, *drawn}
    assert ((kept == 1) == (labels == 1)).all()


def test_fewer_background_anchors_than_are_wanted():
    labels = torch.full((1, 1, 15, 15), -1)
    labels[0, 0, 0, :3] = 0
    kept = losses.hard_negatives(torch.randn(1, 2, 15, 15), labels, torch.rand(1, 1, 15, 15))
    assert torch.equal(kept, labels)


def batch_of_one(labels):
    rng = np.random.default_rng(5)
    size = labels.shape[-1]
    batch = Batch(
        template=torch.zeros(1, 127, 127, 3),
        search=torch.zeros(1, 255, 255, 3),
        labels=labels,
        offsets=torch.tensor(rng.normal(size=(1, 4, 1, size, size))).float(),
        cells=torch.tensor([[[0, 0], [-1, -1]]]),
        masks=torch.tensor(rng.integers(0, 2, (1, 2, 127, 127))),
    )
    logits = [torch.tensor(rng.normal(size=shape)) for shape in ((1, 2, size, size), (1, 4, size, size))]
    return batch, Prediction(*logits, torch.tensor(rng.normal(size=(1, 1, 127, 127))))


def test_total_loss():
    """The weights A, B and C are 1, 1.2 and 36."""
    labels = torch.tensor([1, 0, -1, 0]).view(1, 1, 2, 2)
    batch, prediction = batch_of_one(labels)
    config = TrainingConfig(anchor_sampling="random")
    means = batch_losses(prediction, batch, None, config)
    numbers = logged_values(means, config)
    values = prediction.cls[0].flatten(1).T.tolist()  # (background, target) of the four anchors
    target = -log(exp(values[0][1]) / (exp(values[0][0]) + exp(values[0][1])))
    background = mean([-log(exp(b) / (exp(b) + exp(t))) for b, t in (values[1], values[3])])
    box = sum(
        smooth_l1(float(prediction.loc[0, i, 0, 0] - batch.offsets[0, i, 0, 0, 0]), config.smooth_l1_omega)
        for i in range(4)
    )
    signs = 2 * batch.masks[0, 0].numpy() - 1
    mask = float(np.log(1 + np.exp(-signs * prediction.masks[0, 0].numpy())).mean())
    expected = 1.0 * (target + background) / 2 + 1.2 * box + 36.0 * mask
    assert float(numbers["loss"]) == pytest.approx(expected, rel=1e-5)
    assert float(numbers["cls"]) == pytest.approx((target + background) / 2, rel=1e-5)


@pytest.mark.parametrize("stage", ["bi", "re"])
def test_mask_stages_have_the_mask_loss_alone(stage):
    batch, prediction = batch_of_one(torch.ones(1, 1, 2, 2))
    config = TrainingConfig(stage=stage)
    means = {name: mean.value for name, mean in batch_losses(prediction, batch, None, config).items()}
    assert set(means) == {"mask", "overlap"}
    assert float(total_loss(means, config)) == pytest.approx(36 * float(means["mask"]), rel=1e-5)


def test_nothing_to_count_is_logged_as_nothing():
    batch, prediction = batch_of_one(torch.zeros(1, 1, 2, 2))
    batch = batch._replace(cells=torch.full((1, 2, 2), -1))
    config = TrainingConfig(anchor_sampling="random")
    numbers = logged_values(batch_losses(prediction, batch, None, config), config)
    assert np.isnan([float(numbers["mask"]), float(numbers["iou"])]).all()
    values = prediction.cls[0].flatten(1).T.tolist()
    background = mean([log(1 + exp(t - b)) for b, t in values])
    assert float(numbers["loss"]) == pytest.approx(background / 2, rel=1e-5)


def test_losses_of_networks_without_boxes_or_masks():
    batch, prediction = batch_of_one(torch.ones(1, 1, 2, 2))
    config = TrainingConfig(anchor_sampling="random")
    scores = prediction._replace(loc=None, masks=None)
    assert set(batch_losses(scores, batch, None, config)) == {"positive", "negative"}
    assert set(batch_losses(prediction._replace(masks=None), batch, None, config)) == {
        "positive",
        "negative",
        "box",
    }


def test_boxes_with_giou_and_quality():
    batch, prediction = batch_of_one(torch.tensor([1, 0, -1, 1]).view(1, 1, 2, 2))
    prediction = prediction._replace(masks=None)
    config = TrainingConfig(stage="boxes", anchor_sampling="random", giou_weight=2.0, quality_exponent=1.0)
    means = batch_losses(prediction, batch, None, config)
    values = {name: mean.value for name, mean in means.items()}
    assert set(values) == {"positive", "negative", "box", "giou"}
    expected = (values["positive"] + values["negative"]) / 2 + 1.2 * values["box"] + 2 * values["giou"]
    assert float(total_loss(values, config)) == pytest.approx(float(expected), rel=1e-5)
    assert float(logged_values(means, config)["giou"]) == pytest.approx(float(values["giou"]))
    plain = batch_losses(prediction, batch, None, TrainingConfig(anchor_sampling="random"))
    assert float(plain["box"].value) == float(values["box"])
    assert float(plain["positive"].value) != float(values["positive"])
