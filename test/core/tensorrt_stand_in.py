"""A stand-in for the package tensorrt and for the GPU: ONNX Runtime computes the graphs on the CPU.

It is as strict as the real ones where it matters: addresses must have been allocated and be large enough,
shapes must lie in the profile, nothing happens before the stream is synchronised, a recorded context must not
change, and a graph in float16 is only accepted where flags or strong typing allow it.
"""

import enum
import io
import pickle
import types
from functools import partial

import numpy as np
import onnx
import onnxruntime

DRIVERS = {}


class StandInDriver:
    """A GPU whose memory is NumPy arrays and whose stream is a list that runs when it is synchronised."""

    device = "Stand-in"
    compute_capability = "8.7"

    def __init__(self, can_record=True):
        self.can_record = can_record
        self.memory = {}
        self.uploads = []
        self.executions = self.replays = 0
        self.stream = 1000 + len(DRIVERS)
        DRIVERS[self.stream] = self
        self._queue, self._recording = [], None

    def allocate(self, size):
        address = (len(self.memory) + 1) << 32
        self.memory[address] = np.full(size, 0xFF, np.uint8)  # NaN as float32, like memory nobody wrote
        return address

    def host_array(self, shape, dtype):
        return np.zeros(shape, dtype)

    def enqueue(self, work):
        (self._queue if self._recording is None else self._recording).append(work)

    def upload(self, address, array, offset=0):
        assert array.flags.c_contiguous
        self.uploads.append(array.shape)
        target = self.memory[address][offset : offset + array.nbytes]
        assert target.nbytes == array.nbytes, "beyond the end of the memory"
        self.enqueue(lambda: np.copyto(target, array.reshape(-1).view(np.uint8)))

    def download(self, array, address):
        assert array.flags.c_contiguous
        source = self.memory[address][: array.nbytes]
        assert source.nbytes == array.nbytes, "beyond the end of the memory"
        self.enqueue(lambda: np.copyto(array.reshape(-1).view(np.uint8), source))

    def synchronise(self):
        queue, self._queue = self._queue, []
        for work in queue:
            work()

    def capture(self, enqueue):
        from siammaskpp_core.network.protocol import EngineError

        if not self.can_record:
            raise EngineError("CUDA: operation not permitted when stream is capturing")
        self._recording = []
        enqueue()
        recorded, self._recording = self._recording, None

        def replay():
            self.replays += 1
            self._queue.extend(recorded)

        return replay

    @property
    def is_recording(self):
        return self._recording is not None


def make_module(version):
    """A module like tensorrt, with the flags of `version`."""
    major = int(version.split(".")[0])
    flags = {8: ["EXPLICIT_BATCH"], 10: ["EXPLICIT_BATCH", "STRONGLY_TYPED"], 11: ["STRONGLY_TYPED"]}[major]
    builder_flags = ["TF32"] if major == 11 else ["FP16", "INT8", "TF32"]
    trt = types.ModuleType("tensorrt")
    trt.__version__ = version
    trt.NetworkDefinitionCreationFlag = enum.IntEnum("NetworkDefinitionCreationFlag", flags, start=0)
    trt.BuilderFlag = enum.IntEnum("BuilderFlag", builder_flags, start=0)
    trt.MemoryPoolType = enum.IntEnum("MemoryPoolType", ["WORKSPACE"])
    trt.TensorIOMode = TensorIOMode
    trt.ILogger = ILogger
    trt.OnnxParser, trt.Builder, trt.Runtime = OnnxParser, partial(Builder, trt), Runtime
    trt.ICudaEngine, trt.IBuilderConfig, trt.INetworkDefinition = Engine, Config, Network
    trt.IOptimizationProfile = Profile
    if major >= 10:
        trt.IProgressMonitor = type("IProgressMonitor", (), {})
    return trt


class ILogger:
    Severity = enum.Enum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"])


TensorIOMode = enum.Enum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])


class Network:
    def __init__(self, flags):
        self.flags, self.model = flags, None

    @property
    def num_inputs(self):
        return len(self.model.graph.input)

    def get_input(self, index):
        value = self.model.graph.input[index]
        return types.SimpleNamespace(name=value.name, shape=shape_of(value))


class OnnxParser:
    def __init__(self, network, logger):
        self.network, self.num_errors = network, 0

    def parse(self, content):
        try:
            self.network.model = onnx.load(io.BytesIO(content))
            onnx.checker.check_model(self.network.model)
        except Exception as error:
            self.num_errors, self._error = 1, str(error)
            return False
        return True

    def get_error(self, index):
        return types.SimpleNamespace(desc=lambda: self._error)


class Profile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, name, *shapes):
        self.shapes[name] = shapes


class TimingCache:
    def __init__(self, content):
        self.content = content

    def serialize(self):
        return self.content + b"timed;"


class Config:
    def __init__(self):
        self.flags, self.limits, self.profile = set(), {}, None
        self.progress_monitor = None

    def set_flag(self, flag):
        self.flags.add(flag.name)

    def clear_flag(self, flag):
        self.flags.discard(flag.name)

    def set_memory_pool_limit(self, pool, size):
        self.limits[pool.name] = size

    def add_optimization_profile(self, profile):
        self.profile = profile.shapes
        return 0

    def create_timing_cache(self, content):
        return TimingCache(content)

    def set_timing_cache(self, cache, ignore_mismatch):
        self._timings = cache
        return True

    def get_timing_cache(self):
        return self._timings


class Builder:
    last_config = None

    def __init__(self, trt, logger):
        self._trt, self._logger = trt, logger

    def create_network(self, flags):
        return Network(flags)

    def create_builder_config(self):
        Builder.last_config = Config()
        return Builder.last_config

    def create_optimization_profile(self):
        return Profile()

    def build_serialized_network(self, network, config):
        typed = getattr(self._trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
        is_typed = typed is not None and network.flags >> typed & 1
        dynamic = {value.name for value in network.model.graph.input if -1 in shape_of(value)}
        has_half = any(t.data_type == onnx.TensorProto.FLOAT16 for t in network.model.graph.initializer)
        has_int8 = any(node.op_type == "QuantizeLinear" for node in network.model.graph.node)
        reason = None
        if dynamic - set(config.profile):
            reason = "Network has dynamic or shape inputs, but no optimization profile"
        elif has_half and not is_typed and "FP16" not in config.flags:
            reason = "Half is not allowed: the flag FP16 is not set"
        elif has_int8 and not is_typed and "INT8" not in config.flags:
            reason = "Int8 is not allowed: the flag INT8 is not set"
        elif is_typed and config.flags & {"FP16", "INT8"}:
            reason = "precision flags and strong typing exclude each other"
        if reason:
            self._logger.log(ILogger.Severity.ERROR, reason)
            return None
        if config.progress_monitor is not None:
            config.progress_monitor.phase_start("Timing", None, 1)
            assert config.progress_monitor.step_complete("Timing", 0)
            config.progress_monitor.phase_finish("Timing")
        return memoryview(pickle.dumps((network.model.SerializeToString(), config.profile)))


class Runtime:
    def __init__(self, logger):
        self._logger = logger

    def deserialize_cuda_engine(self, content):
        try:
            return Engine(*pickle.loads(content))
        except Exception:
            self._logger.log(ILogger.Severity.ERROR, "Serialization assertion stdVersionRead failed")
            return None


class Engine:
    def __init__(self, content, profile):
        self.model = onnx.load(io.BytesIO(content))
        self.profile = profile
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        if any(-1 in shape_of(value)[1:] for value in self.model.graph.output):
            self._work_out_sides()
        self.inputs = {value.name: value for value in self.model.graph.input}
        self.values = [*self.model.graph.input, *self.model.graph.output]
        self.num_io_tensors = len(self.values)
        self._by_name = {value.name: value for value in self.values}

    def _work_out_sides(self):
        """Sizes of outputs that the graph does not name; TensorRT infers them too."""
        zeros = {
            value.name: np.zeros(np.abs(shape_of(value)), dtype_of(value)) for value in self.model.graph.input
        }
        results = self.session.run(None, zeros)
        for value, result in zip(self.model.graph.output, results, strict=True):
            sides = value.type.tensor_type.shape.dim
            for dim, side in zip(sides[1:], result.shape[1:], strict=True):
                dim.dim_value = side

    def get_tensor_name(self, index):
        return self.values[index].name

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        return shape_of(self._by_name[name])

    def get_tensor_dtype(self, name):
        kind = self._by_name[name].type.tensor_type.elem_type
        names = {1: "FLOAT", 2: "UINT8", 6: "INT32", 10: "HALF"}
        return types.SimpleNamespace(name=names[kind])

    def get_tensor_profile_shape(self, name, index):
        return self.profile[name]

    def create_execution_context(self):
        return Context(self)


class Context:
    def __init__(self, engine):
        self._engine, self._changes = engine, 0
        self._addresses = {}
        self._shapes = {name: shape_of(value) for name, value in engine.inputs.items()}

    def set_input_shape(self, name, shape):
        low, _, high = self._engine.profile.get(name, (self._shapes[name],) * 3)
        if not all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True)):
            return False
        self._shapes[name] = tuple(shape)
        self._changes += 1
        return True

    def set_tensor_address(self, name, address):
        self._addresses[name] = address
        self._changes += 1
        return address % 256 == 0

    def execute_async_v3(self, stream):
        driver = DRIVERS[stream]
        if set(self._addresses) != {value.name for value in self._engine.values}:
            return False
        if any(-1 in shape for shape in self._shapes.values()):
            return False
        changes = self._changes if driver.is_recording else None
        driver.enqueue(lambda: self._compute(driver, dict(self._shapes), changes))
        return True

    def _compute(self, driver, shapes, recorded):
        assert recorded in (None, self._changes), "a recorded context was changed"
        driver.executions += 1
        feeds = {}
        for name, shape in shapes.items():
            dtype = dtype_of(self._engine.inputs[name])
            size = int(np.prod(shape)) * dtype.itemsize
            feeds[name] = driver.memory[self._addresses[name]][:size].view(dtype).reshape(shape)
        results = self._engine.session.run(None, feeds)
        for value, result in zip(self._engine.model.graph.output, results, strict=True):
            target = driver.memory[self._addresses[value.name]][: result.nbytes]
            assert target.nbytes == result.nbytes, "an output's buffer is too small"
            target[:] = np.ascontiguousarray(result).reshape(-1).view(np.uint8)


def dtype_of(value):
    return onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)


def shape_of(value):
    return tuple(-1 if dim.dim_param else dim.dim_value for dim in value.type.tensor_type.shape.dim)
