"""TraX servers with a real client."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

trax = pytest.importorskip("trax", reason="needs the extra [vot]")
Client = pytest.importorskip("trax.client").Client

SCRIPT = [sys.executable, str(Path(__file__).parents[1].joinpath("vot_trackers.py")), "right"]
MODULE = [sys.executable, "-m", "siammaskpp_core.evaluation.vot.server"]


@pytest.fixture
def pictures(tmp_path):
    """A textured bright square on a dark ground, 2 px further right in the second and third picture."""
    random = np.random.default_rng(0)
    patch = random.integers(205, 255, (24, 24, 3), dtype=np.uint8)
    ground = random.integers(0, 90, (96, 128, 3), dtype=np.uint8)
    files = [tmp_path / f"{index}.png" for index in range(3)]
    for index, file in enumerate(files):
        image = ground.copy()
        image[30:54, 40 + 2 * index : 64 + 2 * index] = patch
        cv2.imwrite(str(file), image)
    return [{"color": trax.FileImage.create(str(file))} for file in files]


def answers(command, pictures, region):
    """Return the (region, properties) pairs after the first picture."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        # The client does not start without a function for its log.
        client = Client(stream=(process.stdin.fileno(), process.stdout.fileno()), log=lambda text: None)
        client.initialize(pictures[0], [(region, {})], {})
        found = [client.frame(picture, {}, [])[0][0] for picture in pictures[1:]]
        client.quit()
        assert process.wait(10) == 0
    return found


def test_a_rectangle_is_answered_with_the_box_and_the_confidence(pictures):
    (_, _), (region, properties) = answers(SCRIPT, pictures, trax.Rectangle.create(40, 30, 24, 24))
    assert region.bounds() == (44, 30, 24, 24)
    assert float(properties["confidence"]) == 0.75


def test_a_polygon_is_answered_with_the_rotated_box(pictures):
    asked = trax.Polygon.create([(40, 30), (63, 30), (63, 53), (40, 53)])
    _, (region, _) = answers(SCRIPT, pictures, asked)
    assert list(region) == [(44, 30), (67, 30), (67, 53), (44, 53)]


def test_a_mask_is_answered_with_the_mask(pictures):
    mask = np.zeros((96, 128), np.uint8)
    mask[30:54, 40:64] = 1
    _, (region, _) = answers(SCRIPT, pictures, trax.Mask.create(mask))
    assert np.array_equal(region.array(normalize=True), np.roll(mask, 4, axis=1))


@pytest.mark.parametrize("asked", ["polygon", "mask"])
def test_baselines_answer_with_boxes(pictures, asked):
    if not hasattr(cv2, "TrackerCSRT_create"):
        pytest.skip("this OpenCV is not the contrib build")
    mask = np.zeros((96, 128), np.uint8)
    mask[30:54, 40:64] = 1
    polygon = trax.Polygon.create([(40, 30), (63, 30), (63, 53), (40, 53)])
    region = polygon if asked == "polygon" else trax.Mask.create(mask)
    _, (region, properties) = answers([*MODULE, "--tracker", "csrt"], pictures, region)
    assert region.bounds() == pytest.approx((44, 30, 24, 24), abs=3)
    assert "confidence" not in properties


def test_our_tracker_is_served_by_default(pictures):
    _, (region, properties) = answers(MODULE, pictures, trax.Rectangle.create(40, 30, 24, 24))
    assert region.type == trax.Region.RECTANGLE
    assert 0 <= float(properties["confidence"]) <= 1
