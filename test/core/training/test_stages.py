"""Training stages: trainable parts, and the weights that a stage takes over from the previous one."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from siammaskpp_core.config import ConfigError
from siammaskpp_core.network.config import NetworkConfig
from siammaskpp_core.network.siammaskpp import SiamMaskPP
from siammaskpp_core.tracking.config import TrackingConfig
from siammaskpp_core.training.checkpoint import write_checkpoint
from siammaskpp_core.training.config import TrainingConfig
from siammaskpp_core.training.distributed import synchronise_batch_norms
from siammaskpp_core.training.objective import PairNetwork
from siammaskpp_core.training.stages import initialise_weights, make_optimizer, set_trainable

BI = NetworkConfig(head_channels=8, mask="bi", mask_channels=16, refine_channels=(8, 4, 2))
RE = replace(BI, mask="re")
BASE_STAGE, RE_STAGE = TrainingConfig(), TrainingConfig(stage="re", optimizer="sgd", learning_rate=0.1)


def learning(model):
    return {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}


def in_training(model):
    """Names of the batch norms that update their statistics."""
    norms = (torch.nn.BatchNorm2d,)
    return {name for name, module in model.named_modules() if isinstance(module, norms) and module.training}


@pytest.fixture
def base(tmp_path):
    """A trained network of the base stage, and its checkpoint."""
    torch.manual_seed(1)
    model = SiamMaskPP(BI)
    ema = {f"module.{name}": value for name, value in model.state_dict().items()}
    write_checkpoint(tmp_path, BI, BASE_STAGE, TrackingConfig(), {"ema": ema})
    return model, tmp_path / "checkpoint.pt"


def test_the_base_stage_trains_all_but_the_backbone():
    model = SiamMaskPP(RE)
    set_trainable(model, BASE_STAGE, train_backbone=False)
    assert learning(model) == {"levels", "cls", "loc", "mask", "refine"}
    assert not any(name.startswith("backbone") for name in in_training(model))


def test_the_backbone_learns_from_conv3_on():
    model = SiamMaskPP(BI)
    set_trainable(model, BASE_STAGE, train_backbone=True)
    stages = {
        n.split(".")[2] for n, p in model.backbone.named_parameters(prefix="backbone") if p.requires_grad
    }
    assert stages == {"2", "3", "4"}
    assert {name.split(".")[2] for name in in_training(model) if name.startswith("backbone")} == stages


def test_a_backbone_that_is_not_pretrained_learns_as_a_whole():
    model = SiamMaskPP(BI)
    set_trainable(model, TrainingConfig(pretrained=False, unfreeze_at=0.0), train_backbone=True)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_frozen_batch_norms():
    model = SiamMaskPP(BI)
    set_trainable(model, TrainingConfig(batch_norm="frozen"), train_backbone=True)
    assert not in_training(model)
    assert "levels" in learning(model)


def test_the_backbones_batch_norms_may_stay_while_it_learns():
    model = SiamMaskPP(BI)
    set_trainable(model, TrainingConfig(train_backbone_norms=False), train_backbone=True)
    assert "backbone" in learning(model)
    assert in_training(model)
    assert not any(name.startswith("backbone") for name in in_training(model))


def test_batch_norms_over_processes_keep_names_and_stages():
    """Synchronised batch norms compute on GPUs only, but the conversion can be tested on a CPU."""
    model = SiamMaskPP(RE)
    names = list(model.state_dict())
    synchronise_batch_norms(model, SimpleNamespace(world_size=2), TrainingConfig())
    assert list(model.state_dict()) == names
    norms = [
        module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
    ]
    assert all(isinstance(norm, torch.nn.SyncBatchNorm) for norm in norms)
    set_trainable(model, RE_STAGE, train_backbone=False)
    of_masks = {id(norm) for part in model.mask_modules() for norm in part.modules()}
    assert {id(norm) for norm in norms if norm.training} == {id(norm) for norm in norms} & of_masks
    set_trainable(model, replace(RE_STAGE, batch_norm="frozen"), train_backbone=False)
    assert not any(norm.training for norm in norms)


def test_an_optimiser_has_what_learns_at_any_time():
    model = SiamMaskPP(BI)
    config = TrainingConfig(unfreeze_at=0.5, backbone_lr_factor=0.1, weight_decay=0.3)
    optimizer = make_optimizer(model, config)
    set_trainable(model, config, train_backbone=True)
    factor = {id(p): group["lr_factor"] for group in optimizer.param_groups for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert (id(parameter) in factor) == parameter.requires_grad, name
        if parameter.requires_grad:
            assert factor[id(parameter)] == (0.1 if name.startswith("backbone") else 1.0)
            assert decay[id(parameter)] == (0.3 if parameter.ndim > 1 else 0.0)
    heads = make_optimizer(model, BASE_STAGE)
    assert {group["lr_factor"] for group in heads.param_groups} == {1.0}


def test_a_mask_stage_changes_masks_alone(base):
    _, checkpoint = base
    model = SiamMaskPP(RE)
    assert initialise_weights(model, RE_STAGE, checkpoint) == ["refine"]
    set_trainable(model, RE_STAGE, train_backbone=False)
    optimizer = make_optimizer(model, RE_STAGE)
    template = torch.randint(0, 256, (2, 127, 127, 3), dtype=torch.uint8)
    search = torch.randint(0, 256, (2, 255, 255, 3), dtype=torch.uint8)

    def answer():
        kernels = model.template(template)
        response, features = model.search(search, kernels)
        middle = torch.full((2,), 12)
        return response, model.masks_at(response, features, torch.arange(2), middle, middle)

    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, masks = answer()
    (masks - 1).square().mean().backward()
    optimizer.step()
    second, later_masks = answer()
    assert torch.equal(first.cls, second.cls)
    assert torch.equal(first.loc, second.loc)
    assert not torch.equal(masks, later_masks)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in changed} == {"levels", "mask", "refine"}


def test_the_stage_of_boxes_leaves_masks_as_they_are():
    torch.manual_seed(0)
    model, config = SiamMaskPP(RE), TrainingConfig(stage="boxes", optimizer="sgd", learning_rate=0.1)
    set_trainable(model, config, train_backbone=False)
    optimizer = make_optimizer(model, config)
    crops = [torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8) for side in (127, 255)]
    positions = torch.tensor([[0, 12, 12], [1, 12, 12]])

    def answer():
        return PairNetwork(model.eval(), None)(*crops, positions)

    before = answer()
    set_trainable(model, config, train_backbone=False)
    prediction = PairNetwork(model, None, with_masks=False)(*crops, positions)
    assert prediction.masks is None
    (prediction.cls.square().mean() + prediction.loc.square().mean()).backward()
    optimizer.step()
    after = answer()
    assert torch.equal(before.masks, after.masks)
    assert not torch.equal(before.cls, after.cls)
    assert not torch.equal(before.loc, after.loc)


def test_a_stage_takes_over_weights_whose_tracking_options_are_of_another_version(base):
    trained, checkpoint = base
    state = torch.load(checkpoint, weights_only=True)
    state["tracking"]["an_option_of_long_ago"] = 0.3
    torch.save(state, checkpoint)
    model = SiamMaskPP(RE)
    initialise_weights(model, RE_STAGE, checkpoint)
    assert torch.equal(model.cls.level_logits, trained.cls.level_logits)


def test_a_stage_goes_on_from_the_one_before(base):
    trained, checkpoint = base
    model = SiamMaskPP(RE)
    initialise_weights(model, RE_STAGE, checkpoint)
    for name, value in trained.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


def test_a_checkpoint_of_another_network(base):
    _, checkpoint = base
    with pytest.raises(ConfigError, match="another network"):
        initialise_weights(SiamMaskPP(replace(RE, head_channels=16)), RE_STAGE, checkpoint)


@pytest.mark.parametrize(
    ("network", "stage", "message"),
    [
        (RE, "bi", "mask: bi, not re"),
        (replace(BI, mask="none"), "re", "not none"),
        (RE, "re", "--init"),
        (RE, "boxes", "--init"),
    ],
)
def test_stages_that_cannot_be(network, stage, message):
    with pytest.raises(ConfigError, match=message):
        initialise_weights(SiamMaskPP(network), TrainingConfig(stage=stage), None)


def test_a_mask_head_that_is_not_used_does_not_learn():
    """SiamMask's refine module decodes the correlation; gradients of all processes must exist."""
    model = SiamMaskPP(replace(RE, refine_input="correlation"))
    set_trainable(model, BASE_STAGE, train_backbone=False)
    assert learning(model) == {"levels", "cls", "loc", "refine"}


@pytest.mark.parametrize("count", [0, 1])
def test_gradients_of_masks_exist_without_positions(count):
    model = SiamMaskPP(RE)
    set_trainable(model, BASE_STAGE, train_backbone=False)
    crops = [torch.randint(0, 256, (1, side, side, 3), dtype=torch.uint8) for side in (127, 255)]
    prediction = PairNetwork(model, None)(*crops, torch.zeros(count, 3, dtype=torch.int64))
    prediction.masks[:count].sum().backward()
    gradients = [parameter.grad for parameter in model.refine.parameters()]
    assert all(gradient is not None for gradient in gradients)
    assert any(gradient.any() for gradient in gradients) is bool(count)
