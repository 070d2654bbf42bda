#!/usr/bin/env python3
"""Convert a TensorFlow.js graph model (model.json and its weight shards) to ONNX.

Needs numpy and onnx only. It knows the operations that SSDLite-MobileNetV2 uses and stops with a
clear error at any other. The input has a fixed shape, so every shape in the graph is known while
converting; whatever does not depend on the picture (anchor boxes, reshape targets) is computed here
and stored as a constant.

The same source files and the same pinned versions (requirements.txt) give the same bytes, so the
result can be checked against a recorded hash.

Example:
  tfjs_to_onnx.py model.json out.onnx \\
      --input  Preprocessor/map/TensorArrayStack/TensorArrayGatherV3=images:1,300,300,3 \\
      --output Postprocessor/Slice=scores --output Postprocessor/ExpandDims_1=boxes \\
      --names coco_categories.json --meta license=Apache-2.0 --meta task=detect
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8  # read by every ONNX Runtime since 1.10


class ConversionError(Exception):
    """The source cannot be converted; the message says which node and why."""


@dataclass
class Tensor:
    """A value of the graph: a constant, or an ONNX tensor in one or both memory orders."""

    shape: tuple[int, ...]  # always in TensorFlow's axis order
    constant: np.ndarray | None = None
    plain: str | None = None  # ONNX name of the tensor in TensorFlow's axis order
    planar: str | None = None  # ONNX name of the same tensor as N,C,H,W


# ---- reading the source -----------------------------------------------------------------------


def read_weights(manifest: list[dict], folder: Path) -> dict[str, np.ndarray]:
    """The constants, cut out of the concatenated shards of each group."""
    weights = {}
    for group in manifest:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        offset = 0
        for entry in group["weights"]:
            if "quantization" in entry:
                raise ConversionError(f"weight {entry['name']}: quantised weights are not supported")
            kinds = {"float32": "<f4", "int32": "<i4"}
            if entry["dtype"] not in kinds:
                raise ConversionError(f"weight {entry['name']}: unknown type {entry['dtype']}")
            count = math.prod(entry["shape"])
            if offset + 4 * count > len(data):
                raise ConversionError(f"weight {entry['name']}: the shards are too short")
            array = np.frombuffer(data, kinds[entry["dtype"]], count, offset)
            weights[entry["name"]] = array.reshape(entry["shape"])
            offset += array.nbytes
        if offset != len(data):
            raise ConversionError(f"shards hold {len(data)} bytes, the weights use {offset}")
    return weights


class Attributes:
    """A node's attributes. TF.js writes strings as byte lists or base64, integers as strings."""

    def __init__(self, node: dict):
        self._raw = node.get("attr", {})

    def text(self, key: str, default: str = "") -> str:
        value = self._raw.get(key, {}).get("s")
        if value is None:
            return default
        return (bytes(value) if isinstance(value, list) else base64.b64decode(value)).decode()

    def integer(self, key: str, default: int = 0) -> int:
        return int(self._raw.get(key, {}).get("i", default))

    def real(self, key: str, default: float) -> float:
        return float(self._raw.get(key, {}).get("f", default))

    def flag(self, key: str) -> bool:
        return bool(self._raw.get(key, {}).get("b", False))

    def integers(self, key: str) -> list[int]:
        return [int(value) for value in self._raw.get(key, {}).get("list", {}).get("i") or []]


# ---- what each operation computes, in numpy ---------------------------------------------------
# One definition serves twice: it folds constants, and, run on a dummy array, it gives the shape.


def strided_slice(at: Attributes, x, begin, end, step):
    for mask in ("ellipsis_mask", "new_axis_mask", "begin_mask", "end_mask"):
        if at.integer(mask):
            raise ConversionError(f"StridedSlice with {mask} is not supported")
    shrink = at.integer("shrink_axis_mask")
    index = tuple(
        int(first) if shrink >> axis & 1 else slice(int(first), int(last), int(stride))
        for axis, (first, last, stride) in enumerate(zip(begin, end, step))
    )
    return x[index]


def slice_box(_at: Attributes, x, begin, size):
    return x[tuple(slice(b, None if n < 0 else b + n) for b, n in zip(begin.tolist(), size.tolist()))]


NUMPY: dict[str, Callable[..., Any]] = {
    "Add": lambda at, a, b: np.add(a, b),
    "AddN": lambda at, *terms: sum(terms[1:], terms[0]),
    "Sub": lambda at, a, b: np.subtract(a, b),
    "Mul": lambda at, a, b: np.multiply(a, b),
    "BiasAdd": lambda at, x, bias: np.add(x, bias),
    "Exp": lambda at, x: np.exp(x),
    "Relu6": lambda at, x: np.clip(x, 0, 6),
    "Sigmoid": lambda at, x: 1 / (1 + np.exp(-x)),
    "Identity": lambda at, x: x,
    "Shape": lambda at, x: np.array(x.shape, np.int32),
    "Reshape": lambda at, x, shape: np.reshape(x, shape.tolist()),
    "Transpose": lambda at, x, order: np.transpose(x, order.tolist()),
    "Squeeze": lambda at, x: np.squeeze(x, tuple(at.integers("squeeze_dims"))),
    "ExpandDims": lambda at, x, axis: np.expand_dims(x, int(axis)),
    "Tile": lambda at, x, times: np.tile(x, times.tolist()),
    "Pack": lambda at, *parts: np.stack(parts, at.integer("axis")),
    "Unpack": lambda at, x: list(np.moveaxis(x, at.integer("axis"), 0)),
    "ConcatV2": lambda at, *parts: np.concatenate(parts[:-1], int(parts[-1])),
    "StridedSlice": strided_slice,
    "Slice": slice_box,
}

ELEMENTWISE = {"Add": "Add", "AddN": "Add", "BiasAdd": "Add", "Sub": "Sub", "Mul": "Mul"}
ONE_INPUT = {"Exp": "Exp", "Sigmoid": "Sigmoid", "Relu6": "Clip"}


# ---- writing the graph ------------------------------------------------------------------------


class Converter:
    def __init__(self, topology: dict, weights: dict[str, np.ndarray], progress: Callable[[int, int], None]):
        self.source = {node["name"]: node for node in topology["node"]}
        self.weights = weights
        self.progress = progress
        self.done: dict[str, list[Tensor]] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, np.ndarray] = {}

    def order(self, wanted: list[str]) -> list[str]:
        """The nodes the outputs need, each after its inputs; stops at what is already known."""
        ordered: list[str] = []
        seen = set(self.done)
        stack = [(name, False) for name in reversed(wanted)]
        while stack:
            name, ready = stack.pop()
            if ready:
                ordered.append(name)
            elif name not in seen:
                if name not in self.source:
                    raise ConversionError(f"the model has no node {name}")
                seen.add(name)
                stack.append((name, True))
                stack += [(reference(i)[0], False) for i in reversed(self.source[name].get("input", []))]
        return ordered

    def run(self, inputs: dict[str, tuple[str, tuple[int, ...]]], outputs: dict[str, str]) -> onnx.GraphProto:
        for tf_name, (name, shape) in inputs.items():
            if tf_name not in self.source:
                raise ConversionError(f"the model has no node {tf_name}")
            self.done[tf_name] = [Tensor(shape, plain=name)]
        ordered = self.order([reference(name)[0] for name in outputs])
        for position, name in enumerate(ordered):
            self.done[name] = self.convert(name)
            self.progress(position + 1, len(ordered))
        results = []
        for tf_name, name in outputs.items():
            base, index = reference(tf_name)
            tensor = self.done[base][index]
            self.emit("Identity", name, [self.plain(tensor, name)], output=name)
            results.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, tensor.shape))
        return helper.make_graph(
            self.nodes,
            "tfjs",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.values()],
            results,
            [numpy_helper.from_array(np.asarray(a, order="C"), n) for n, a in self.initializers.items()],
        )

    def convert(self, name: str) -> list[Tensor]:
        node = self.source[name]
        kind, at = node["op"], Attributes(node)
        if kind == "Const":
            if name not in self.weights:
                raise ConversionError(f"constant {name} has no weights")
            array = self.weights[name]
            return [Tensor(array.shape, constant=array)]
        # A control input ("^name") orders side effects; there are none here.
        links = [reference(i) for i in node.get("input", []) if not i.startswith("^")]
        inputs = [self.done[base][index] for base, index in links]
        try:
            if kind in ("Conv2D", "DepthwiseConv2dNative"):
                return [self.convolution(name, at, *inputs, depthwise=kind != "Conv2D")]
            if kind == "FusedBatchNorm":
                return [self.batch_norm(name, at, *inputs)]
            if kind not in NUMPY:
                raise ConversionError(f"operation {kind} is not supported")
            if kind == "Identity":
                return inputs
            return self.general(name, kind, at, inputs)
        except ConversionError as error:
            raise ConversionError(f"node {name}: {error}") from None

    def general(self, name: str, kind: str, at: Attributes, inputs: list[Tensor]) -> list[Tensor]:
        """Any operation but a convolution: fold it, or work out its shape and emit it."""
        dummy = np.float32(0)
        arrays = [np.broadcast_to(dummy, t.shape) if t.constant is None else t.constant for t in inputs]
        result = NUMPY[kind](at, *arrays)
        results = result if isinstance(result, list) else [result]
        # A shape is known here even where the values are not.
        if kind == "Shape" or all(t.constant is not None for t in inputs):
            return [Tensor(r.shape, constant=r) for r in results]
        if kind in ELEMENTWISE:
            return [self.elementwise(name, ELEMENTWISE[kind], inputs, results[0].shape)]
        if kind in ONE_INPUT:
            limits = []
            if kind == "Relu6":
                limits = [self.store("relu6/low", np.float32(0)), self.store("relu6/high", np.float32(6))]
            return [self.keep_order(name, ONE_INPUT[kind], inputs[0], limits)]
        return self.rearrange(name, kind, at, inputs, [r.shape for r in results])

    def rearrange(self, name, kind, at, inputs, shapes) -> list[Tensor]:
        """The operations that move values about, all done in TensorFlow's axis order."""
        shape = shapes[0]
        if kind in ("Reshape", "Squeeze", "ExpandDims"):
            target = self.store(f"{name}/shape", np.array(shape, np.int64))
            return [Tensor(shape, plain=self.emit("Reshape", name, [self.plain(inputs[0]), target]))]
        if kind == "Transpose":
            order = inputs[1].constant.tolist()
            return [Tensor(shape, plain=self.emit("Transpose", name, [self.plain(inputs[0])], perm=order))]
        if kind == "ConcatV2":
            parts = [self.plain(t, f"{name}/part{i}") for i, t in enumerate(inputs[:-1])]
            axis = int(inputs[-1].constant)
            return [Tensor(shape, plain=self.emit("Concat", name, parts, axis=axis))]
        if kind == "Slice":
            begin = inputs[1].constant.astype(np.int64)
            names = [self.store(f"{name}/begin", begin), self.store(f"{name}/end", begin + np.array(shape))]
            return [Tensor(shape, plain=self.emit("Slice", name, [self.plain(inputs[0]), *names]))]
        if kind == "Pack":
            axis = at.integer("axis")
            unit = self.store(f"{name}/axis", np.array([axis], np.int64))
            parts = [
                self.emit("Unsqueeze", f"{name}/part{i}", [self.plain(t, f"{name}/in{i}"), unit])
                for i, t in enumerate(inputs)
            ]
            return [Tensor(shape, plain=self.emit("Concat", name, parts, axis=axis))]
        if kind == "Unpack":
            results = []
            for i, shape in enumerate(shapes):
                index = self.store(f"{name}/index{i}", np.array(i, np.int64))
                gathered = self.emit(
                    "Gather", f"{name}/{i}", [self.plain(inputs[0]), index], axis=at.integer("axis")
                )
                results.append(Tensor(shape, plain=gathered))
            return results
        raise ConversionError(f"operation {kind} is supported on constants only")

    def convolution(self, name, at: Attributes, x: Tensor, filters: Tensor, depthwise: bool) -> Tensor:
        if at.text("data_format", "NHWC") != "NHWC" or filters.constant is None:
            raise ConversionError("only NHWC convolutions with constant filters are supported")
        padding = {"SAME": "SAME_UPPER", "VALID": "VALID"}.get(at.text("padding"))
        if padding is None:
            raise ConversionError(f"padding {at.text('padding')} is not supported")
        strides = at.integers("strides")[1:3] or [1, 1]
        dilations = at.integers("dilations")[1:3] or [1, 1]
        height, width, channels, count = filters.shape
        if depthwise:
            kernel = filters.constant.transpose(2, 3, 0, 1).reshape(channels * count, 1, height, width)
            groups = channels
        else:
            kernel = filters.constant.transpose(3, 2, 0, 1)
            groups = 1
        size = []
        for pixels, taps, stride, dilation in zip(x.shape[1:3], (height, width), strides, dilations):
            covered = pixels if padding == "SAME_UPPER" else pixels - dilation * (taps - 1)
            size.append(-(-covered // stride))
        output = self.emit(
            "Conv",
            name,
            [self.planar(x), self.store(f"{name}/kernel", kernel)],
            auto_pad=padding,
            dilations=dilations,
            group=groups,
            kernel_shape=[height, width],
            strides=strides,
        )
        return Tensor((x.shape[0], *size, kernel.shape[0]), planar=output)

    def batch_norm(self, name, at: Attributes, x: Tensor, *parameters: Tensor) -> Tensor:
        if at.flag("is_training") or any(p.constant is None for p in parameters):
            raise ConversionError("only inference with constant parameters is supported")
        parts = zip(("scale", "offset", "mean", "variance"), parameters)
        names = [self.store(f"{name}/{part}", p.constant) for part, p in parts]
        output = self.emit(
            "BatchNormalization", name, [self.planar(x), *names], epsilon=at.real("epsilon", 1e-3)
        )
        return Tensor(x.shape, planar=output)

    def elementwise(self, name: str, kind: str, inputs: list[Tensor], shape: tuple[int, ...]) -> Tensor:
        """Stays in N,C,H,W when an operand is: two transposes less for each of these."""
        planar = any(t.planar for t in inputs) and all(
            t.constant is not None or len(t.shape) == 4 for t in inputs
        )
        names = []
        for i, tensor in enumerate(inputs):
            if not planar:
                names.append(self.plain(tensor, f"{name}/in{i}"))
            elif tensor.constant is None:
                names.append(self.planar(tensor))
            else:
                four = tensor.constant.reshape((1,) * (4 - tensor.constant.ndim) + tensor.constant.shape)
                names.append(self.store(f"{name}/in{i}", four.transpose(0, 3, 1, 2)))
        result = names[0]
        for i, operand in enumerate(names[1:], 1):
            last = i == len(names) - 1
            result = self.emit(kind, name if last else f"{name}/partial{i}", [result, operand])
        return Tensor(shape, planar=result) if planar else Tensor(shape, plain=result)

    def keep_order(self, name: str, kind: str, x: Tensor, more: list[str]) -> Tensor:
        if x.planar:
            return Tensor(x.shape, planar=self.emit(kind, name, [x.planar, *more]))
        return Tensor(x.shape, plain=self.emit(kind, name, [self.plain(x), *more]))

    def plain(self, tensor: Tensor, constant_name: str = "") -> str:
        """The ONNX name in TensorFlow's axis order, converting once where needed."""
        if tensor.plain is None:
            if tensor.constant is not None:
                return self.store(constant_name, tensor.constant)
            tensor.plain = self.emit("Transpose", f"{tensor.planar}/nhwc", [tensor.planar], perm=[0, 2, 3, 1])
        return tensor.plain

    def planar(self, tensor: Tensor) -> str:
        if tensor.planar is None:
            if tensor.constant is not None or len(tensor.shape) != 4:
                raise ConversionError(f"expected a computed picture-like tensor, got shape {tensor.shape}")
            tensor.planar = self.emit("Transpose", f"{tensor.plain}/nchw", [tensor.plain], perm=[0, 3, 1, 2])
        return tensor.planar

    def store(self, name: str, array: np.ndarray) -> str:
        self.initializers[name] = np.asarray(array)
        return name

    def emit(self, kind: str, name: str, inputs: list[str], output: str | None = None, **attributes) -> str:
        result = output or name
        node = helper.make_node(kind, inputs, [result], name=f"{name}/{kind}", **dict(sorted(attributes.items())))
        self.nodes.append(node)
        return result


def reference(text: str) -> tuple[str, int]:
    """"node:2" is the third result of a node, "^node" a control input."""
    base, _, index = text.lstrip("^").partition(":")
    return base, int(index or 0)


# ---- command line -----------------------------------------------------------------------------


def read_names(path: Path) -> str:
    """COCO's categories as the Python literal that detectors carry: column (id - 1) -> name."""
    categories = json.loads(path.read_text(encoding="utf-8"))
    return repr({int(number) - 1: name for number, name in categories.items()})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("model", type=Path, help="model.json; its shards lie beside it")
    parser.add_argument("output_file", type=Path, metavar="out.onnx")
    parser.add_argument("--input", action="append", required=True, metavar="NODE=NAME:SHAPE")
    parser.add_argument("--output", action="append", required=True, metavar="NODE=NAME")
    parser.add_argument("--names", type=Path, metavar="FILE", help="JSON of category id -> name")
    parser.add_argument("--meta", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--progress", action="store_true", help="print a percentage a line on stdout")
    options = parser.parse_args(arguments)

    shown = -1

    def progress(done: int, total: int) -> None:
        nonlocal shown
        percent = 100 * done // total
        if options.progress and percent != shown:
            shown = percent
            print(percent, flush=True)

    try:
        inputs = {}
        for item in options.input:
            node, _, rest = item.partition("=")
            name, _, shape = rest.partition(":")
            inputs[node] = (name, tuple(int(side) for side in shape.split(",")))
        outputs = dict(item.split("=", 1) for item in options.output)
        metadata = dict(item.split("=", 1) for item in options.meta)
    except ValueError:
        parser.error("expected NODE=NAME:1,2,3, NODE=NAME and KEY=VALUE")
    try:
        source = json.loads(options.model.read_text(encoding="utf-8"))
        weights = read_weights(source["weightsManifest"], options.model.parent)
        graph = Converter(source["modelTopology"], weights, progress).run(inputs, outputs)
        if options.names:
            metadata["names"] = read_names(options.names)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="guarita tfjs_to_onnx",
        )
        helper.set_model_props(model, dict(sorted(metadata.items())))
        onnx.checker.check_model(model, full_check=True)
    except (ConversionError, OSError, ValueError, KeyError) as error:
        print(f"tfjs_to_onnx: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    options.output_file.write_bytes(model.SerializeToString(deterministic=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
