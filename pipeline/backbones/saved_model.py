"""What a SavedModel gives in TensorFlow, which runs of it no more than what computes its outputs.

`tf.saved_model.load` would run whatever the file asks for. Here the operations behind the outputs, and those
that fill its variables, are looked through before one of them runs.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.backbones.own_graph import SAVED_MODEL

SIGNATURE = "serving_default"
INITIALIZER = "__saved_model_init_op"
# Of the operations that do more than turn numbers into numbers, those that only hold or call.
HARMLESS = {
    "AssignVariableOp", "Case", "If", "PartitionedCall", "ReadVariableOp", "RestoreV2",
    "StatefulPartitionedCall", "VarHandleOp", "VarIsInitializedOp", "While",
}  # fmt: skip
# Parts of the names of others that may write, or call.
REACHING_OUT = ("Dataset", "Debug", "File", "Py")


def run_saved_model(folder: Path, pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Return what a network gives, by the name of the output.

    Args:
        folder: Of the SavedModel.
        pixels: float32, as its one input takes them.

    Raises:
        ValueError: It has several signatures and no default one, or an operation that could do more.
        tensorflow.errors.OpError: TensorFlow cannot run it.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString((folder / SAVED_MODEL).read_bytes())
    meta = model.meta_graphs[0]
    signatures = {name: one for name, one in meta.signature_def.items() if name != INITIALIZER}
    if SIGNATURE not in signatures and len(signatures) != 1:
        raise ValueError(f"it has {len(signatures)} signatures, none of them {SIGNATURE}")
    signature = signatures.get(SIGNATURE) or next(iter(signatures.values()))
    outputs = {name: one.name for name, one in signature.outputs.items()}
    restore = meta.saver_def.restore_op_name
    _refuse_reaching_out(meta.graph_def, [*outputs.values(), restore])
    (given,) = signature.inputs.values()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(meta.graph_def, name="")
        if restore:
            variables = str(folder / "variables" / "variables")
            session.run(restore, {meta.saver_def.filename_tensor_name: variables})
        found: dict[str, NDArray[Any]] = session.run(outputs, {given.name: pixels})
        return found


def _refuse_reaching_out(graph: Any, names: Iterable[str]) -> None:
    """Refuse a graph where what is behind some of its nodes could do more than compute."""
    from tensorflow.python.framework import op_def_registry

    for kind in sorted({node.op for node in _behind(graph, names)}):
        known = op_def_registry.get(kind)
        if known is None:
            raise ValueError(f"TensorFlow has no operation {kind}")
        does_more = known.is_stateful or any(part in kind for part in REACHING_OUT)
        if does_more and kind not in HARMLESS:
            raise ValueError(f"its operation {kind} could do more than compute")


def _behind(graph: Any, names: Iterable[str]) -> Iterator[Any]:
    """Yield the nodes that are needed for some, and all of those in the functions that these call."""
    nodes = {node.name: node for node in graph.node}
    functions = {one.signature.name: one for one in graph.library.function}
    waiting, seen = [_node_name(name) for name in names if name], set()
    called: list[str] = []
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            yield nodes[name]
            waiting += [_node_name(one) for one in nodes[name].input]
            called += _calls(nodes[name])
    seen.clear()
    while called:
        name = called.pop()
        if name not in seen and name in functions:
            seen.add(name)
            for node in functions[name].node_def:
                yield node
                called += _calls(node)


def _node_name(place: str) -> str:
    """Return the name of the node that gives an output, as `^node` or `node:0`."""
    return place.removeprefix("^").split(":")[0]


def _calls(node: Any) -> list[str]:
    """Return the names of the functions that a node may call."""
    found = [node.op]
    for value in node.attr.values():
        found += [one.name for one in (value.func, *value.list.func)]
    return found
