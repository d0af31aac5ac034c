"""What decides a feature's value, as one hash.

Everything that can change a bit of a feature goes in; nothing else does. So the same image
has the same feature under any name, label, split, dataset, batch or path, and features of
another network, decoder or version are never taken for these.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEY_LENGTH = 32
NETWORKS = "networks"  # the part with those of each network, by place, where there are several


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The settings and versions behind a feature.

    Attributes:
        parts: JSON-like values: backbone, weights' sha256, layer, pooling, input size, scaling,
            decoder, engine, precision, dtype, and the versions of all that computes; of several
            networks these of each.
    """

    parts: Mapping[str, Any]

    @property
    def key(self) -> str:
        """32 hexadecimal digits: the name of these features in the store."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:KEY_LENGTH]

    def of_each_layer(self) -> tuple["Fingerprint", ...]:
        """Return those under which the store keeps the features: one a network and layer."""
        if NETWORKS in self.parts:
            by_place = sorted(self.parts[NETWORKS].items(), key=lambda item: int(item[0]))
            networks = [Fingerprint(parts=parts) for _, parts in by_place]
            return tuple(layer for one in networks for layer in one.of_each_layer())
        layers = self.parts.get("layer")
        if not isinstance(layers, list):
            return (self,)
        return tuple(Fingerprint(parts={**self.parts, "layer": layer}) for layer in layers)

    def to_json(self) -> str:
        """Return the parts as JSON text, the same for equal parts."""
        return json.dumps(self.parts, sort_keys=True, separators=(",", ":"))


def join_fingerprints(networks: Sequence[Fingerprint]) -> Fingerprint:
    """Return the fingerprint of the features of networks side by side; that of one is its own."""
    if len(networks) == 1:
        return networks[0]
    return Fingerprint(
        parts={NETWORKS: {str(place): one.parts for place, one in enumerate(networks, 1)}}
    )
