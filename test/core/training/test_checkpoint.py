"""A checkpoint on a full disk: the old one stays, and nothing else is left."""

import pytest

torch = pytest.importorskip("torch")

from limits import files_up_to

from siammaskpp_core.io.outputs import OutputError
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.training.checkpoint import read_checkpoint, write_checkpoint
from siammaskpp_core.training.config import TrainingConfig


def test_a_full_disk_leaves_the_last_checkpoint_and_nothing_else(tmp_path):
    network, config = NetworkConfig(), TrainingConfig()

    def write(values):
        write_checkpoint(tmp_path, network, config, TrackingConfig(), {"model": {"x": values}})

    write(torch.ones(1))
    with files_up_to(200_000), pytest.raises(OutputError, match=r"checkpoint\.pt: not written .*make space"):
        write(torch.ones(1_000_000))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    kept = read_checkpoint(tmp_path, network, config)
    assert kept is not None
    assert kept["model"]["x"].tolist() == [1.0]
