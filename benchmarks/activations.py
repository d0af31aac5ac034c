"""How much memory the activations of each network take: what the size of a GPU's batch is chosen by.

    python benchmarks/activations.py
    python benchmarks/activations.py --networks resnet50 vgg16

No network is run: of each, all tensors are counted that are there at once when its operations run one
after the other, each in float32 and none in the place of another, and the most is told. What a compiler
fuses takes less; what a convolution needs beside its tensors comes on top. Images are of the size at which
the network was published.
"""

import argparse
import math
import sys
from typing import Any

import pipeline  # noqa: F401 (pins the environment before Keras is there)
from pipeline.backbones.backbone import Backbone
from pipeline.catalogue.backbones import CATALOGUE
from pipeline.params import BackboneParams

FLOAT32 = 4  # bytes


def main() -> None:
    """Print a row a network; fail where the catalogue says otherwise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", choices=list(CATALOGUE), default=list(CATALOGUE))
    print("| network | input, pixels | MiB an image | bytes an input pixel |")
    print("| --- | ---: | ---: | ---: |")
    wrong = []
    for name in parser.parse_args().networks:
        figures = CATALOGUE[name].figures
        assert figures is not None, "only a network of one's own has none"
        size = figures.input_size
        found = peak_bytes(Backbone(name, BackboneParams(input_size=size, weights="random")).model)
        print(f"| {name} | {size} | {found / 2**20:.1f} | {found / size**2:.0f} |", flush=True)
        if round(found / size**2) != figures.activations:
            wrong.append(f"{name} has {figures.activations}")
    if wrong:
        sys.exit(f"the catalogue says otherwise: {', '.join(wrong)}")


def peak_bytes(model: Any) -> int:
    """Return the most bytes that the tensors of one image take at once; a network within one counts, too."""
    nodes = [
        node
        for depth in sorted(model._nodes_by_depth, reverse=True)
        for node in model._nodes_by_depth[depth]
    ]
    last_use = {id(one): step for step, node in enumerate(nodes) for one in node.input_tensors}
    last_use |= {id(one): len(nodes) for one in model.outputs}
    alive: dict[int, int] = {}
    most = 0
    for step, node in enumerate(nodes):
        within = peak_bytes(node.operation) if hasattr(node.operation, "_nodes_by_depth") else 0
        most = max(most, sum(alive.values()) + within)
        alive |= {id(one): math.prod(one.shape[1:]) * FLOAT32 for one in node.outputs}
        most = max(most, sum(alive.values()))
        alive = {one: size for one, size in alive.items() if last_use.get(one, 0) > step}
    return most


if __name__ == "__main__":
    main()
