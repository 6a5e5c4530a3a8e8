"""Builds the ONNX file of a zoo model whose package ships bare weights.

    python3 build.py RECIPE WEIGHTS OUTPUT

Needs nothing but Python's standard library, and always writes the same bytes: `models.toml` pins their SHA-256. Weights
are copied, never computed. Message and field numbers are those of `onnx.proto3`.
"""

import collections
import json
import math
import pickle
import struct
import sys
from array import array

OPSET = 17
IR_VERSION = 8
FLOAT, INT64 = 1, 7


def varint(value):
    """A protobuf varint; negative numbers take ten bytes."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """One protobuf field: whole numbers, floats, and anything with a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


class Graph:
    """Nodes and weights being written down; values are named after what makes them."""

    def __init__(self):
        self.nodes, self.weights, self.names = [], [], collections.Counter()

    def weight(self, name, dims, data, dtype=FLOAT):
        """Adds a weight and gives its name."""
        if sys.byteorder == "big":
            data.byteswap()
        dims = b"".join(field(1, dim) for dim in dims)
        self.weights.append(dims + field(2, dtype) + field(8, name) + field(9, data.tobytes()))
        return name

    def ints(self, name, *values):
        """Adds a constant list of whole numbers."""
        return self.weight(name, [len(values)], array("q", values), INT64)

    def number(self, name, value):
        """Adds a constant scalar."""
        return self.weight(name, [], array("f", [value]))

    def node(self, op_type, *inputs, name=None, **attributes):
        """Adds a node and gives its one result."""
        self.names[op_type] += 1
        output = name or f"{op_type.lower()}_{self.names[op_type]}"
        body = b"".join(field(1, value) for value in inputs) + field(2, output)
        body += field(3, output) + field(4, op_type)
        for key, value in attributes.items():
            if isinstance(value, list):
                body += field(5, field(1, key) + b"".join(field(8, item) for item in value) + field(20, 7))
            elif isinstance(value, float):
                body += field(5, field(1, key) + field(2, value) + field(20, 1))
            else:
                body += field(5, field(1, key) + field(3, value) + field(20, 2))
        self.nodes.append(body)
        return output

    def model(self, name, inputs, outputs):
        """The finished file; dimensions are numbers or names."""

        def declared(value, dtype, dims):
            dims = b"".join(field(1, field(1 if isinstance(dim, int) else 2, dim)) for dim in dims)
            return field(1, value) + field(2, field(1, field(1, dtype) + field(2, dims)))

        parts = [field(1, node) for node in self.nodes] + [field(2, name)]
        parts += [field(5, weight) for weight in self.weights]
        parts += [field(11, declared(*value)) for value in inputs] + [field(12, declared(*value)) for value in outputs]
        opset = field(1, "") + field(2, OPSET)
        return field(1, IR_VERSION) + field(2, "tabpool") + field(8, opset) + field(7, b"".join(parts))


def safetensors(path):
    """Name → (shape, floats) of a safetensors file."""
    with open(path, "rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(header_bytes)), file.read()
    tensors = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            floats = array("f")
            floats.frombytes(data[slice(*entry["data_offsets"])])
            tensors[name] = entry["shape"], floats
    return tensors


class StateDict(pickle.Unpickler):
    """Reads the pickles of a PyTorch state dict; anything but tensors in an ordered dictionary is refused."""

    def find_class(self, module, name):
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, dims, strides, *_: (storage, offset, dims, strides),
            ("torch", "FloatStorage"): "f",
            ("torch", "LongStorage"): "q",
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"a state dict has no {module}.{name}")
        return known[module, name]

    def persistent_load(self, pid):
        _, typecode, key, *_ = pid
        return typecode, key


def state_dict(path):
    """Name → (shape, floats) of a PyTorch file of the format before 1.6, in C order."""
    with open(path, "rb") as file:
        magic, _, _ = (StateDict(file).load() for _ in range(3))
        if magic != 0x1950A86A20F9469CFC6C:
            sys.exit(f"{path} is not a state dict of the old format")
        entries, keys = StateDict(file).load(), StateDict(file).load()
        typecodes = {storage[1]: storage[0] for storage, *_ in entries.values()}
        storages = {}
        for key in keys:
            (n_elements,) = struct.unpack("<q", file.read(8))
            storages[key] = array(typecodes[key])
            storages[key].frombytes(file.read(n_elements * storages[key].itemsize))
    return {
        name: (list(dims), in_order(storages[key], offset, dims, strides))
        for name, ((typecode, key), offset, dims, strides) in entries.items()
        if typecode == "f"
    }


def in_order(data, offset, dims, strides):
    """The elements of a strided tensor in C order."""
    offsets = [offset]
    for dim, stride in zip(dims[:-1], strides[:-1]):
        offsets = [first + index * stride for first in offsets for index in range(dim)]
    n_last, stride = dims[-1], strides[-1]
    out = array(data.typecode)
    for first in offsets:
        out.extend(data[first : first + (n_last - 1) * stride + 1 : stride])
    return out


def minilm_l6(path):
    """all-MiniLM-L6-v2, as BERT models are exported: token states; the caller pools them."""
    n_heads, width, epsilon = 12, 384, 1e-12
    tensors, graph = safetensors(path), Graph()

    def weight(name):
        return graph.weight(name, *tensors[name])

    def linear(name, x):
        (n_out, n_in), data = tensors[f"{name}.weight"]
        turned = array("f")
        for column in range(n_in):
            turned.extend(data[column::n_in])
        product = graph.node("MatMul", x, graph.weight(f"{name}.weight", [n_in, n_out], turned))
        return graph.node("Add", product, weight(f"{name}.bias"))

    def norm(name, x):
        scale, bias = weight(f"{name}.weight"), weight(f"{name}.bias")
        return graph.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)

    by_head, joined = graph.ints("by_head", 0, 0, n_heads, width // n_heads), graph.ints("joined", 0, 0, width)
    first, axis_1_2 = graph.ints("first", 0), graph.ints("axis_1_2", 1, 2)
    one, lowest = graph.number("one", 1.0), graph.number("lowest", -3.4028234663852886e38)
    scale, root_2, half = (
        graph.number("scale", math.sqrt(width / n_heads)),
        graph.number("root_2", math.sqrt(2)),
        graph.number("half", 0.5),
    )
    mask = graph.node("Cast", graph.node("Unsqueeze", "attention_mask", axis_1_2), to=FLOAT)
    mask = graph.node("Mul", graph.node("Sub", one, mask), lowest)

    length = graph.node("Shape", "input_ids", start=1, end=2)
    positions = graph.node("Slice", weight("embeddings.position_embeddings.weight"), first, length, first)
    words = graph.node("Gather", weight("embeddings.word_embeddings.weight"), "input_ids")
    types = graph.node("Gather", weight("embeddings.token_type_embeddings.weight"), "token_type_ids")
    x = graph.node("Add", graph.node("Add", words, types), positions)
    x = norm("embeddings.LayerNorm", x)
    for layer in range(6):
        prefix = f"encoder.layer.{layer}"

        def heads(part, perm):
            states = graph.node("Reshape", linear(f"{prefix}.attention.self.{part}", x), by_head)
            return graph.node("Transpose", states, perm=perm)

        query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
        scores = graph.node("Add", graph.node("Div", graph.node("MatMul", query, key), scale), mask)
        states = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value)
        states = graph.node("Reshape", graph.node("Transpose", states, perm=[0, 2, 1, 3]), joined)
        states = linear(f"{prefix}.attention.output.dense", states)
        x = norm(f"{prefix}.attention.output.LayerNorm", graph.node("Add", states, x))
        inner = linear(f"{prefix}.intermediate.dense", x)
        erf = graph.node("Erf", graph.node("Div", inner, root_2))
        inner = graph.node("Mul", graph.node("Mul", inner, graph.node("Add", erf, one)), half)
        x = graph.node("Add", linear(f"{prefix}.output.dense", inner), x)
        x = norm(f"{prefix}.output.LayerNorm", x)
    graph.node("Identity", x, name="last_hidden_state")
    inputs = [(name, INT64, ["batch", "sequence"]) for name in ("input_ids", "attention_mask", "token_type_ids")]
    return graph.model("all-MiniLM-L6-v2", inputs, [("last_hidden_state", FLOAT, ["batch", "sequence", width])])


def efficientnet_lite0(path):
    """EfficientNet-Lite0 for 224×224 images scaled to (x − 127) / 128: logits of ImageNet's 1,000 classes."""
    # Repeats and stride of the first block of each stage, as in the paper's B0.
    stages = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]
    strides = [stride if block == 0 else 1 for repeats, stride in stages for block in range(repeats)]
    tensors, graph = state_dict(path), Graph()
    zero, six = graph.number("zero", 0.0), graph.number("six", 6.0)

    def weight(name):
        return graph.weight(name, *tensors[name])

    def conv(name, norm, x, stride=1, is_active=True):
        dims = tensors[f"{name}.weight"][0]
        kernel, n_groups = dims[2], dims[0] if dims[1] == 1 else 1
        # TensorFlow's "same" for even lengths: a window more at the end when the sides differ.
        total = kernel - stride if kernel > stride else 0
        before, after = total // 2, total - total // 2
        x = graph.node(
            "Conv",
            x,
            weight(f"{name}.weight"),
            group=n_groups,
            kernel_shape=[kernel, kernel],
            pads=[before, before, after, after],
            strides=[stride, stride],
        )
        statistics = [weight(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
        x = graph.node("BatchNormalization", x, *statistics, epsilon=1e-3)
        return graph.node("Clip", x, zero, six) if is_active else x

    x = conv("_conv_stem", "_bn0", "image", stride=2)
    for index, stride in enumerate(strides):
        prefix, before = f"_blocks.{index}", x
        if f"{prefix}._expand_conv.weight" in tensors:
            x = conv(f"{prefix}._expand_conv", f"{prefix}._bn0", x)
        x = conv(f"{prefix}._depthwise_conv", f"{prefix}._bn1", x, stride)
        x = conv(f"{prefix}._project_conv", f"{prefix}._bn2", x, is_active=False)
        if stride == 1 and index > 0 and keeps_width(tensors, prefix):
            x = graph.node("Add", x, before)
    x = conv("_conv_head", "_bn1", x)
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x), axis=1)
    graph.node("Gemm", x, weight("_fc.weight"), weight("_fc.bias"), name="logits", transB=1)
    inputs = [("image", FLOAT, ["batch", 3, 224, 224])]
    return graph.model("EfficientNet-Lite0", inputs, [("logits", FLOAT, ["batch", 1000])])


def keeps_width(tensors, prefix):
    """True when a block gives as many channels as it takes."""
    n_out = tensors[f"{prefix}._project_conv.weight"][0][0]
    return n_out == tensors[f"{prefix}._expand_conv.weight"][0][1]


RECIPES = {"minilm-l6": minilm_l6, "efficientnet-lite0": efficientnet_lite0}

if __name__ == "__main__":
    recipe, weights, output = sys.argv[1:]
    with open(output, "wb") as out:
        out.write(RECIPES[recipe](weights))
