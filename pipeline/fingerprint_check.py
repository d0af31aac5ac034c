"""Whether a head was trained on the features that are computed now, told by their fingerprints."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import HeadError
from pipeline.heads.saving import HeadInfo
from pipeline.store.fingerprint import Fingerprint


def check_fingerprint(info: HeadInfo, now: Fingerprint, dataset: str, backbone: str) -> None:
    """Raise where a head was trained on features of another fingerprint than those of now.

    Raises:
        HeadError: Names what differs.
    """
    if now.key == info.fingerprint:
        return
    then = dict(_flatten(json.loads(info.fingerprint_parts)))
    here = dict(_flatten(now.parts))
    differences = ", ".join(
        f"{name} {json.dumps(then.get(name))} then, {json.dumps(here.get(name))} now"
        for name in sorted(then.keys() | here.keys())
        if then.get(name) != here.get(name)
    )
    raise HeadError(
        f"the head of {dataset}/{backbone} was trained on features of another fingerprint: {differences}. "
        "Set params.yaml or the libraries back, or train it anew: dvc repro or, where that finds "
        f"nothing to do, dvc repro --force --downstream extract@{dataset}-{backbone}"
    )


def _flatten(parts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the parts of a fingerprint by dotted name."""
    for name, value in parts.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
