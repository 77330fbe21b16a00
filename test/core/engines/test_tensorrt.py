"""The TensorRT engine with a stand-in for TensorRT and the GPU, and with the real ones: pytest -m gpu."""

import json
import re
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import tensorrt_stand_in as stand_in

from siammaskpp_core.cli import main as cli
from siammaskpp_core.engines.load import DEFAULT_MODEL, load_engine, load_tracker
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.engines.tensorrt import cache, device
from siammaskpp_core.model.folder import read_model
from siammaskpp_core.network.protocol import EngineError

pytest.importorskip("onnx")

TENSORRT = EngineOptions("tensorrt")

_WITH_LIBRARY = [
    f"siammaskpp_core.engines.tensorrt.{module}" for module in ("engine", "builder", "library", "runtime")
]


def use_library(monkeypatch, module):
    """Make `import tensorrt` return `module`, and import the modules that use it anew."""
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    for name in _WITH_LIBRARY:
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    for name in _WITH_LIBRARY:
        sys.modules.pop(name, None)


@pytest.fixture
def gpu(monkeypatch):
    """Use the stand-ins; returns the drivers in the order in which they are opened."""
    drivers = []

    def open_driver():
        drivers.append(stand_in.StandInDriver())
        return drivers[-1]

    use_library(monkeypatch, stand_in.make_module("10.3.0"))
    monkeypatch.setattr(device, "open_driver", open_driver)
    return drivers


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.gpu)])
def any_gpu(request):
    """The real GPU, or the stand-ins with engines for two targets, which need not be built again."""
    if request.param == "stand-in":
        request.getfixturevalue("for_two")
        return request.getfixturevalue("gpu")
    pytest.importorskip("tensorrt")
    try:
        device.open_driver()
    except EngineError as error:
        pytest.skip(str(error))
    return None


@pytest.fixture(scope="module")
def lite():
    return read_model(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def engines_for_two(tmp_path_factory):
    """A cache with float32 engines for two targets that the stand-in has built."""
    folder = tmp_path_factory.mktemp("engines")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
        use_library(monkeypatch, stand_in.make_module("10.3.0"))
        monkeypatch.setattr(device, "open_driver", stand_in.StandInDriver)
        assert build("--precision", "fp32", "--max-targets", 2) == 0
    return folder


@pytest.fixture
def for_two(gpu, engines_for_two, own_cache):
    """The folder of a copy of these engines in the test's own cache."""
    shutil.copytree(engines_for_two, own_cache, dirs_exist_ok=True)
    (description,) = cache.cache_root().glob("*/*/engines.json")
    return description.parent


def build(*arguments) -> int:
    return cli.main(["build-engine", str(DEFAULT_MODEL), *map(str, arguments)])


def scene(count: int):
    rng = np.random.default_rng(7)
    crops = rng.integers(0, 256, (count, 255, 255, 3), dtype=np.uint8)
    return crops, crops[:, :127, :127].copy()


# Outputs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "max_targets", "count"),
    [("fp32", 1, 1), ("fp32", 3, 2), ("fp32", 2, 5), ("fp16", 1, 1), ("fp16", 2, 2)],
)
def test_it_answers_like_onnxruntime(any_gpu, lite, precision, max_targets, count):
    """This includes more targets than the engine was built for."""
    assert build("--precision", precision, "--max-targets", max_targets) == 0
    engine, reference = load_engine(lite, TENSORRT), load_engine(lite)
    crops, templates = scene(count)
    tolerance = {"fp32": 2e-3, "fp16": 0.05}[precision]
    kernels = engine.encode_template(templates)
    expected = reference.encode_template(templates)
    assert np.abs(kernels - expected).max() < tolerance * np.abs(expected).max()
    cells = [(12, 12), (0, 24), (24, 0), (3, 7), (20, 20)][:count]
    others = reference.search(crops, list(expected))
    other_masks = reference.refine(others, cells)
    for _ in range(3):  # plainly, recorded, and from the record
        outputs = engine.search(crops, list(expected))
        for own, other in zip(outputs, others, strict=True):
            assert np.abs(own.cls - other.cls).max() < tolerance * np.abs(other.cls).max()
            assert np.abs(own.loc - other.loc).max() < tolerance * np.abs(other.loc).max()
        masks = engine.refine(outputs, cells)
        assert np.abs(masks - other_masks).max() < tolerance


def test_a_video_gives_the_same_boxes_and_masks(any_gpu):
    """A target is added at the third frame, and one is removed at the fifth."""
    build("--precision", "fp32", "--max-targets", 2)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 120, (240, 320, 3), dtype=np.uint8)
    trackers = [load_tracker(options=EngineOptions(name)) for name in ("tensorrt", "onnxruntime")]
    regions = [[tracker.init(image, (60, 50, 60, 80))[0]] for tracker in trackers]
    for frame in range(6):
        if frame == 2:
            for tracker, own in zip(trackers, regions, strict=True):
                own.append(tracker.init(image, (200, 100, 50, 50))[0])
        if frame == 4:
            for own in regions:
                del own[0]
        moved = np.roll(image, 3 * frame, axis=1)
        steps = [tracker.step(moved, own) for tracker, own in zip(trackers, regions, strict=True)]
        regions = [[region for region, _ in step] for step in steps]
        for (_, result), (_, other) in zip(*steps, strict=True):
            np.testing.assert_allclose(result.box_xywh, other.box_xywh, atol=1.0)
            assert (result.mask != other.mask).mean() < 1e-3


def test_answers_can_be_refined_in_any_order_and_again(any_gpu, lite):
    build("--precision", "fp32", "--max-targets", 2)
    engine = load_engine(lite, TENSORRT)
    crops, templates = scene(3)
    outputs = engine.search(crops, list(engine.encode_template(templates)))
    cells = [(12, 12), (0, 24), (24, 0)]
    straight = engine.refine(outputs, cells)
    order = [2, 0, 1, 1, 0]
    again = engine.refine([outputs[i] for i in order], [cells[i] for i in order])
    np.testing.assert_allclose(again, straight[order], atol=1e-5)


def test_answers_of_an_older_search_are_refused(gpu, for_two, lite):
    engine = load_engine(lite, TENSORRT)
    crops, templates = scene(1)
    kernels = list(engine.encode_template(templates))
    old = engine.search(crops, kernels)
    engine.search(crops, kernels)
    with pytest.raises(EngineError, match="only answers of the last search"):
        engine.refine(old, [(12, 12)])
    with pytest.raises(EngineError, match="only answers of the last search"):
        engine.refine(load_engine(lite).search(crops, kernels), [(12, 12)])


def test_a_network_without_masks(gpu, models):
    model = models("no masks")
    assert cli.main(["build-engine", str(model.folder), "--max-targets", "2"]) == 0
    assert set(load_engine(model, TENSORRT).differences) == {"kernels", "cls", "loc"}


# How it uses the GPU -------------------------------------------------------------------------------


def test_kernels_are_uploaded_once(gpu, for_two, lite):
    engine = load_engine(lite, TENSORRT)
    crops, templates = scene(2)
    kernels = list(engine.encode_template(templates))
    engine.search(crops, kernels)
    driver = gpu[-1]

    def uploaded(crops, kernels):
        driver.uploads.clear()
        engine.search(crops, kernels)
        return [shape for shape in driver.uploads if shape[-1] != 3]

    one = (1, *kernels[0].shape)
    assert uploaded(crops, kernels) == []
    assert uploaded(crops, kernels[::-1]) == [one, one]
    assert uploaded(crops[:1], kernels[1:]) == []
    assert uploaded(crops[:1], [kernels[1].copy()]) == [one]


def test_memory_is_allocated_once_for_each_group(gpu, for_two, lite):
    engine = load_engine(lite, TENSORRT)
    crops, templates = scene(3)
    kernels = list(engine.encode_template(templates))
    engine.search(crops[:2], kernels[:2])
    first = len(gpu[-1].memory)
    engine.refine(engine.search(crops, kernels), [(12, 12)] * 3)
    second = len(gpu[-1].memory)
    engine.refine(engine.search(crops, kernels), [(12, 12)] * 3)
    assert first < second == len(gpu[-1].memory)
    # Pixels, kernels, cls, loc, mask and three features of the search; rows, cells and masks of refine.
    assert second - first == 8 + 3


def test_work_is_recorded_the_second_time(gpu, for_two, lite):
    engine = load_engine(lite, TENSORRT)
    crops, templates = scene(2)
    kernels = list(engine.encode_template(templates))
    driver = gpu[-1]
    driver.replays = 0
    for count, replays in ((1, 0), (1, 1), (1, 2), (2, 2), (2, 3)):
        engine.search(crops[:count], kernels[:count])
        assert driver.replays == replays


def test_it_runs_where_nothing_can_be_recorded(gpu, for_two, lite, monkeypatch):
    monkeypatch.setattr(device, "open_driver", lambda: stand_in.StandInDriver(can_record=False))
    use_library(monkeypatch, sys.modules["tensorrt"])
    engine = load_engine(lite, TENSORRT)
    crops, templates = scene(1)
    kernels = list(engine.encode_template(templates))
    first = engine.search(crops, kernels)[0].cls.copy()
    for _ in range(3):
        np.testing.assert_array_equal(engine.search(crops, kernels)[0].cls, first)


def test_an_answer_of_tensorrt_that_is_no(gpu, for_two, lite, monkeypatch):
    engine = load_engine(lite, TENSORRT)
    monkeypatch.setattr(stand_in.Context, "execute_async_v3", lambda self, stream: False)
    _, templates = scene(1)
    with pytest.raises(EngineError, match="template: TensorRT could not run it"):
        engine.encode_template(templates)


# Building ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["8.6.1", "10.3.0", "11.1.0"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_flags_of_every_version(gpu, monkeypatch, version, precision, capsys):
    """Like TensorRT, the stand-in refuses float16 without a flag, and flags with strong typing."""
    use_library(monkeypatch, stand_in.make_module(version))
    assert build("--precision", precision, "--workspace", 256) == 0
    assert f"TensorRT {version} on Stand-in (8.7)" in capsys.readouterr().out
    config = stand_in.Builder.last_config
    assert config.limits == {"WORKSPACE": 256 << 20}
    assert "TF32" not in config.flags
    assert config.flags == ({"FP16"} if (version[0], precision) == ("8", "fp16") else set())


def test_engines_are_built_once_and_again_where_asked_for(gpu, monkeypatch, capsys):
    counts = []
    builder = stand_in.Builder.build_serialized_network
    monkeypatch.setattr(
        stand_in.Builder,
        "build_serialized_network",
        lambda *arguments: counts.append(1) or builder(*arguments),
    )
    assert build("--precision", "fp32") == 0
    assert build("--precision", "fp32") == 0
    assert len(counts) == 3
    assert build("--precision", "fp32", "--rebuild") == 0
    assert len(counts) == 6
    assert "largest difference to ONNX Runtime" in capsys.readouterr().out
    (timings,) = cache.cache_root().glob("*/timing.cache")
    assert timings.read_bytes() == b"timed;" * 6


def test_the_engine_built_last_is_used(gpu, for_two, lite):
    build("--precision", "fp32", "--max-targets", 1)
    assert load_engine(lite, TENSORRT).max_targets == 1
    build("--precision", "fp32", "--max-targets", 2)  # is there already, and becomes the one in use
    assert load_engine(lite, TENSORRT).max_targets == 2


def test_a_wrong_engine_is_not_kept(gpu, for_two, monkeypatch, capsys):
    """The old engine is kept when the new one computes something else."""
    before = (for_two / "engines.json").read_bytes()

    class Wrong(stand_in.onnxruntime.InferenceSession):
        def run(self, *arguments):
            return [value * 1.01 for value in super().run(*arguments)]

    wrong = types.SimpleNamespace(**{**vars(stand_in.onnxruntime), "InferenceSession": Wrong})
    monkeypatch.setattr(stand_in, "onnxruntime", wrong)
    assert build("--precision", "fp32", "--max-targets", 2, "--rebuild") == 2
    assert "differs from ONNX Runtime by more than 0.001 of the largest value: kernels by 0.01" in (
        capsys.readouterr().err
    )
    assert (for_two / "engines.json").read_bytes() == before
    assert sorted(path.name for path in for_two.parent.iterdir()) == ["fp32-2", "timing.cache"]


def test_graphs_that_tensorrt_refuses(gpu, monkeypatch, capsys):
    monkeypatch.setattr(stand_in.Builder, "build_serialized_network", lambda *_: None)
    assert build("--precision", "fp32") == 2
    assert "template.onnx: TensorRT cannot build it: TensorRT gave no reason" in capsys.readouterr().err
    monkeypatch.setattr(stand_in.OnnxParser, "__init__", lambda self, network, logger: None)
    monkeypatch.setattr(stand_in.OnnxParser, "num_errors", 1, raising=False)
    monkeypatch.setattr(stand_in.OnnxParser, "_error", "UNSUPPORTED_NODE", raising=False)
    monkeypatch.setattr(stand_in.OnnxParser, "parse", lambda *_: False)
    assert build("--precision", "fp32") == 2
    assert "template.onnx: TensorRT cannot read it: UNSUPPORTED_NODE" in capsys.readouterr().err


# Engines that cannot be used -----------------------------------------------------------------------


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "search.engine").write_bytes(b"x"), r"search\.engine is damaged \(its SHA-256"),
        (lambda f: (f / "search.engine").unlink(), r"damaged .*search\.engine.*build-engine .*--rebuild"),
        (lambda f: (f / "engines.json").write_text("{"), r"is damaged"),
        (lambda f: edit(f / "engines.json", lambda c: c.pop("key")), r"is damaged \('key'\)"),
        (
            lambda f: edit(f / "engines.json", lambda c: c["key"].update(device="Xavier")),
            r"another machine or model \(device Xavier, here Stand-in\)",
        ),
    ],
)
def test_damaged_and_foreign_engines(gpu, for_two, lite, damage, message, capsys):
    damage(for_two)
    with pytest.raises(EngineError, match=message):
        load_engine(lite, TENSORRT)
    assert build("--precision", "fp32", "--max-targets", 2) == 2
    assert "build-engine" in capsys.readouterr().err


def test_an_engine_that_tensorrt_refuses(gpu, for_two, lite):
    """The digest is right, so TensorRT has to refuse the engine."""
    import hashlib

    (for_two / "search.engine").write_bytes(b"foreign")
    digest = hashlib.sha256(b"foreign").hexdigest()
    edit(for_two / "engines.json", lambda c: c["sha256"].update({"search.engine": digest}))
    with pytest.raises(EngineError, match=r"search cannot be loaded: Serialization assertion"):
        load_engine(lite, TENSORRT)


def test_an_engine_that_computes_something_else_is_not_loaded(gpu, for_two, lite):
    key = cache.Key(**json.loads((for_two / "engines.json").read_text())["key"])
    built = cache.read(for_two, key)
    built.expected["cls"] += 1
    cache.write(built, key, for_two)
    with pytest.raises(EngineError, match=r"differs from ONNX Runtime .*: cls by"):
        load_engine(lite, TENSORRT)


def test_engines_are_of_one_model_version_and_device(gpu, for_two, lite, monkeypatch):
    monkeypatch.setattr(stand_in.StandInDriver, "compute_capability", "7.2")
    with pytest.raises(EngineError, match=r"no TensorRT 10\.3\.0 engine .*\(7\.2\); build it: siammaskpp"):
        load_engine(lite, TENSORRT)


def test_keys():
    model = read_model(DEFAULT_MODEL)
    keys = {
        cache.key_of(model, tensorrt, device, capability).folder
        for tensorrt in ("8.6.1", "10.3.0")
        for device in ("Orin", "Orin NX")
        for capability in ("8.7", "8.6")
    }
    assert len(keys) == 8
    assert cache.key_of(model, "10.3.0", "Orin", "8.7").folder in keys


# Availability -------------------------------------------------------------------------------


def test_without_tensorrt(lite, monkeypatch, capsys):
    use_library(monkeypatch, None)
    with pytest.raises(EngineError, match=r"apt install python3-libnvinfer.*siammaskpp\[tensorrt\]"):
        load_engine(lite, TENSORRT)
    assert build() == 2
    assert "TensorRT is not installed" in capsys.readouterr().err


def test_tensorrt_that_is_too_old(gpu, lite, monkeypatch):
    use_library(monkeypatch, stand_in.make_module("8.2.1"))
    with pytest.raises(EngineError, match=r"TensorRT 8\.2\.1 is too old, 8\.5 is the oldest"):
        load_engine(lite, TENSORRT)


def test_without_a_gpu(monkeypatch):
    for name in ("cuda_driver", "torch_driver"):
        monkeypatch.delitem(sys.modules, f"siammaskpp_core.engines.tensorrt.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "cuda", None)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(EngineError, match=r"no NVIDIA GPU.*pip install cuda-python.*torch is not installed"):
        device.open_driver()


def test_cuda_python_has_what_is_used():
    """Every name of the CUDA runtime exists; without a GPU, the error has CUDA's own text."""
    pytest.importorskip("cuda.bindings.runtime")
    from siammaskpp_core.engines.tensorrt import cuda_driver

    names = set(re.findall(r"cuda\.(cuda\w+)", Path(cuda_driver.__file__).read_text(encoding="utf-8")))
    assert len(names) > 15
    assert {name for name in names if not hasattr(cuda_driver.cuda, name)} == set()
    error, count = cuda_driver.cuda.cudaGetDeviceCount()
    if int(error) or not count:
        with pytest.raises(EngineError, match=r"CUDA: \w+ \w+"):
            cuda_driver.CudaDriver()


def test_auto_takes_the_first_that_works(gpu, lite, monkeypatch, caplog):
    assert load_engine(lite, EngineOptions("auto")).name == "openvino"
    assert "tensorrt: no TensorRT 10.3.0 engine" in caplog.text
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert load_engine(lite, EngineOptions("auto")).name == "onnxruntime"
    build("--precision", "fp32")
    assert load_engine(lite, EngineOptions("auto")).name == "tensorrt"


@pytest.mark.slow
def test_an_int8_model(any_gpu, models):
    """Batches of the int8 graph give the outputs of that graph in ONNX Runtime."""
    model = models("lite int8")
    arguments = ["build-engine", str(model.folder), "--precision", "int8", "--max-targets", "2"]
    assert cli.main(arguments) == 0
    assert set(load_engine(model, TENSORRT).differences) == {"kernels", "cls", "loc", "masks"}
    assert cli.main([*arguments[:2], "--precision", "fp16"]) == 2


def test_int8_needs_an_int8_model(gpu, capsys):
    assert build("--precision", "int8") == 2
    assert "make its int8 twin first" in capsys.readouterr().err
