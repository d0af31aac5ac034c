"""How another process opens an extractor that computes the same features as the one here."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import BackboneError
from pipeline.extraction.extractor import Extractor
from pipeline.params import BackboneParams, ExtractParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an extractor is made of; small, so that it can be sent.

    Attributes:
        name: The backbone's key in params.yaml.
        settings: Which network, where it is cut, and its weights.
        extract: Which engine runs it, and what is kept.
        places: Those of the network's layers that are computed.
        fingerprint: What the features must have, as JSON.
        cores: How many images it computes at once, on a CPU.
    """

    name: str
    settings: BackboneParams
    extract: ExtractParams
    places: tuple[int, ...]
    fingerprint: str
    cores: int

    def open(self) -> Extractor:
        """Build and compile the network.

        Raises:
            BackboneError: Its features would not be those that are wanted, or it cannot be had here.
            DeviceMemoryFull: A batch does not fit the device.
        """
        extractor = Extractor(self.name, self.settings, self.extract).only(self.places)
        found, wanted = extractor.fingerprint.parts, json.loads(self.fingerprint)
        if differing := sorted(_differences(wanted, json.loads(extractor.fingerprint.to_json()))):
            raise BackboneError(
                f"it would compute other features of {found.get('network', self.name)} than the machine "
                f"that started the run: {'; '.join(differing)}. All need the same code, packages, "
                "environment and kind of device (docs/scaling.md)."
            )
        if extractor.config.device == "cpu":
            extractor.config = replace(extractor.config, streams=self.cores)
        _ = extractor.engine
        return extractor


def _differences(wanted: Any, found: Any, where: str = "") -> Iterator[str]:
    """Yield what differs between two trees of plain values, a line a leaf."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key in wanted.keys() | found.keys():
            yield from _differences(wanted.get(key), found.get(key), f"{where}{key}.")
    elif wanted != found:
        yield f"{where[:-1]} is {found} there, {wanted} here"
