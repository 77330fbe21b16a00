"""The synthetic video of the benchmarks."""

import numpy as np

from siammaskpp_core.bench.scene import moving_objects
from siammaskpp_core.tracking.boxes import checked_box


def test_the_scene_has_the_objects_where_it_says():
    scene = moving_objects((160, 120), 2)
    first, boxes = next(scene)
    assert first.shape == (120, 160, 3)
    for box in boxes:
        assert np.array_equal(checked_box(box, 160, 120), box), "the box is not inside the image"
    second, moved = [next(scene) for _ in range(10)][-1]
    assert moved != boxes
    assert (first != second).any()
