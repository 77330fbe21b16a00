"""The choice of a device. Stand-ins for runtimes that have one compute on the CPU, with the real runtime."""

import sys
import types

import numpy as np
import pytest

from siammaskpp_core.engines import openvino as openvino_engine
from siammaskpp_core.engines.load import DEFAULT_MODEL, load_engine, with_real_engine
from siammaskpp_core.engines.options import EngineOptions
from siammaskpp_core.model.folder import read_model
from siammaskpp_core.network.protocol import EngineError

MODEL = read_model(DEFAULT_MODEL)
CROPS = np.random.default_rng(0).integers(0, 256, (1, 127, 127, 3), dtype=np.uint8)


class OnnxRuntimeWith:
    """ONNX Runtime in a build with other providers.

    As the real one it goes over to the next provider when the libraries of the first are missing.
    """

    def __init__(self, *providers: str, works: bool = True) -> None:
        self.real = pytest.importorskip("onnxruntime")
        self.providers, self.works, self.asked = providers, works, []

    def __getattr__(self, name):
        return getattr(self.real, name)

    def get_available_providers(self):
        return [*self.providers, "CPUExecutionProvider"]

    def preload_dlls(self):
        self.asked.append("preload_dlls")

    def InferenceSession(self, path, options, providers):
        self.asked.append(providers[0])
        session = self.real.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        used = [name for name, _ in providers if self.works or name == "CPUExecutionProvider"]
        return types.SimpleNamespace(run=session.run, get_providers=lambda: used)


class CoreWith:
    """OpenVINO's core on a machine with more devices; each refuses the properties of a CPU."""

    def __init__(self, devices: dict[str, list[str]], works: bool = True) -> None:
        openvino = pytest.importorskip("openvino")
        self.real, self.devices, self.works = openvino.Core(), devices, works
        self.compiled = []

    @property
    def available_devices(self):
        return ["CPU", *self.devices]

    def get_property(self, device, name):
        devices = {key.partition(".")[0]: value for key, value in self.devices.items()}
        return devices.get(device) or self.real.get_property(device, name)

    def compile_model(self, path, device, properties):
        self.compiled.append((device, properties))
        if device != "CPU":
            if not self.works or {"INFERENCE_NUM_THREADS", "ENABLE_CPU_PINNING"} & set(properties):
                raise RuntimeError("[GPU] clCreateContext failed")
            properties = {**properties, "INFERENCE_PRECISION_HINT": "f32"}
        return self.real.compile_model(path, "CPU", properties)


@pytest.fixture
def runtime(monkeypatch):
    def use(*providers: str, **how) -> OnnxRuntimeWith:
        fake = OnnxRuntimeWith(*providers, **how)
        monkeypatch.setitem(sys.modules, "onnxruntime", fake)
        return fake

    return use


@pytest.fixture
def core(monkeypatch):
    def use(devices: dict[str, list[str]], **how) -> CoreWith:
        fake = CoreWith(devices, **how)
        monkeypatch.setattr(openvino_engine, "openvino_core", lambda: fake)
        return fake

    return use


def same_answer(engine) -> bool:
    return np.allclose(
        engine.encode_template(CROPS), load_engine(MODEL).encode_template(CROPS), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize(
    ("provider", "device", "options"),
    [
        ("CUDAExecutionProvider", "gpu", {}),
        ("CoreMLExecutionProvider", "gpu", {"MLComputeUnits": "CPUAndGPU"}),
        ("CoreMLExecutionProvider", "npu", {"MLComputeUnits": "CPUAndNeuralEngine"}),
    ],
)
def test_onnxruntime_uses_the_provider_of_the_device(runtime, provider, device, options):
    fake = runtime(provider)
    engine = load_engine(MODEL, EngineOptions(device=device, threads=2))
    assert fake.asked == ["preload_dlls", *[(provider, options)] * 3]
    assert engine.name == f"onnxruntime on {device}"
    assert engine.threads_per_target == 0  # nothing runs in pairs there
    assert same_answer(engine)


def test_a_build_of_onnxruntime_without_a_gpu_names_the_package():
    pytest.importorskip("onnxruntime")
    with pytest.raises(EngineError, match=r"no provider for device gpu, only .*CPU.*onnxruntime-gpu"):
        load_engine(MODEL, EngineOptions(device="gpu"))


def test_a_provider_that_cannot_start_names_its_libraries(runtime):
    runtime("CUDAExecutionProvider", works=False)
    with pytest.raises(EngineError, match=r"cannot start its CUDAExecutionProvider.*cuda,cudnn"):
        load_engine(MODEL, EngineOptions(device="gpu"))


def test_openvino_without_a_gpu_names_the_driver():
    core = pytest.importorskip("openvino").Core()
    if any(name.startswith("GPU") for name in core.available_devices):
        pytest.skip("there is a GPU")
    with pytest.raises(EngineError, match=r"OpenVINO finds no GPU, only CPU.*intel-opencl-icd"):
        load_engine(MODEL, EngineOptions("openvino", device="gpu"))


@pytest.mark.parametrize(
    ("found", "device", "precision", "hint"),
    [("GPU.0", "gpu", "fp32", "f32"), ("GPU", "gpu", "fp16", "f16"), ("NPU", "npu", "fp16", "f16")],
)
def test_openvino_computes_on_the_device(core, found, device, precision, hint):
    fake = core({found: ["FP32", "FP16", "INT8"]})
    options = EngineOptions("openvino", device=device, precision=precision, threads=2, cpu_affinity=True)
    engine = load_engine(MODEL, options)
    assert {name for name, _ in fake.compiled} == {device.upper()}
    assert all(properties["INFERENCE_PRECISION_HINT"] == hint for _, properties in fake.compiled)
    assert engine.name == f"openvino on {device}"
    assert same_answer(engine)


def test_a_precision_that_a_device_lacks_names_those_it_has(core):
    core({"NPU": ["FP16", "INT8"]})
    with pytest.raises(EngineError, match="this NPU has no float32: choose precision fp16"):
        load_engine(MODEL, EngineOptions("openvino", device="npu"))


def test_auto_takes_a_gpu_that_works(core):
    core({"GPU": ["FP32", "FP16"]})
    options = EngineOptions("openvino", device="auto")
    assert load_engine(MODEL, options).name == "openvino on gpu"
    assert with_real_engine(MODEL, options) == EngineOptions("openvino", device="gpu")


@pytest.mark.parametrize(
    ("devices", "reason"), [({}, "finds no GPU"), ({"GPU": ["FP32"]}, "clCreateContext failed")]
)
def test_auto_goes_over_to_the_cpu_and_says_why(core, caplog, devices, reason):
    core(devices, works=False)
    assert load_engine(MODEL, EngineOptions("openvino", device="auto")).name == "openvino"
    assert "device auto: openvino is used (openvino on gpu: " in caplog.text
    assert reason in caplog.text


def test_engine_and_device_auto_prefer_any_gpu_to_the_cpu(runtime, core, caplog):
    runtime("CUDAExecutionProvider")
    core({})
    options = EngineOptions("auto", device="auto")
    assert load_engine(MODEL, options).name == "onnxruntime on gpu"
    for reason in ("tensorrt: ", "openvino on gpu: OpenVINO finds no GPU"):
        assert reason in caplog.text


@pytest.mark.parametrize("device", ["AUTO:CPU", "HETERO:CPU"])
def test_the_graphs_run_on_devices_that_openvino_makes_of_others(device):
    """What distributes a graph over devices accepts it as the CPU does."""
    core = pytest.importorskip("openvino").Core()
    request = core.compile_model(MODEL.graph("template"), device).create_infer_request()
    request.infer([CROPS])
    expected = load_engine(MODEL).encode_template(CROPS)
    np.testing.assert_allclose(request.output_tensors[0].data, expected, rtol=1e-3, atol=1e-3)
