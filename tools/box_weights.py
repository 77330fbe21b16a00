"""Write weights with the boxes of one training and all other parts of another.

python -m tools.box_weights RUN/checkpoint.pt siammaskpp_core/weights/lite/weights.pt boxes.pt
siammaskpp export boxes.pt --output my_model

Scores and boxes are correlated in one module of each level, but in channels of their own: the first half of
the channels belongs to the scores. The tracking parameters are those of the first file.
"""

import sys
from pathlib import Path

import torch

from siammaskpp_core.config import to_mapping
from siammaskpp_core.model.checkpoint import load_checkpoint, load_network
from siammaskpp_core.network.siammaskpp import SiamMaskPP


def take_boxes(model: SiamMaskPP, source: SiamMaskPP) -> None:
    """Copy everything that the boxes of `source` depend on, behind the level adjustments, to `model`."""
    with torch.no_grad():
        for name, value in source.state_dict().items():
            own = model.state_dict()[name]
            if name.startswith("loc."):
                own.copy_(value)
            elif ".branches.0." in name and value.ndim > 0:
                half = len(value) // 2
                own[half:].copy_(value[half:])


def main(run: Path, other: Path, output: Path) -> None:
    """Write the file `output`, which `siammaskpp export` reads."""
    source, tracking = load_checkpoint(run)
    model = load_network(other)
    if source.config != model.config:
        sys.exit(f"{run} is of another network than {other}")
    take_boxes(model, source)
    state = {
        "network": to_mapping(model.config),
        "tracking": to_mapping(tracking),
        "model": model.state_dict(),
    }
    torch.save(state, output)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
