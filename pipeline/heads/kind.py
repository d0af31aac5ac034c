"""What a kind of head is, and which there are: every module of `kinds` is one, under its name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.heads import kinds
from pipeline.heads.rows import Float, Rows, Scaler, Tensors
from pipeline.heads.steps import Step


class KindSettings(BaseModel):
    """The settings of one kind of head: frozen, and knows exactly its keys.

    All kinds share the section `head` of params.yaml, so the same key means the same everywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @property
    def needs_holdout(self) -> bool:
        """Is something decided by training images that are held out by `head.holdout`?"""
        return False


Settings = TypeVar("Settings", bound=KindSettings)
Shapes = dict[str, tuple[int, ...]]
Watch = Callable[[int, Tensors], bool]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """What fitting gives.

    Attributes:
        tensors: The head's weights, by name, not rounded.
        trials: What was tried: setting, value and log loss on images left out.
        chosen: The settings that were chosen of these.
    """

    tensors: Tensors
    trials: tuple[tuple[str, float, float], ...] = ()
    chosen: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadKind(Generic[Settings]):
    """A kind of head.

    Attributes:
        settings: The record of its settings.
        shapes: The shapes of its tensors, given settings, rows fitted on, width and classes.
        fit: Fits it to rows, scaled; the same bits, but for rounding in the last, for the same
            settings, rows and seed. Where it learns by epochs, it calls `watch` after each with
            the epoch, counted from 1, and the weights, and stops when that returns True.
        steps: From scaled rows `(b, d)` to scores `(b, k)`, given tensors and settings; softmax
            turns scores into probabilities.
        needs_temperature: Are the scores no logarithms of probabilities until divided by a number?
    """

    settings: type[Settings]
    shapes: Callable[[Settings, int, int, int], Shapes]
    fit: Callable[[Rows, Scaler, Settings, int, Watch], Fit]
    steps: Callable[[Tensors, Settings], Sequence[Step]]
    needs_temperature: bool = False


@cache
def known_kinds() -> Mapping[str, HeadKind[Any]]:
    """Return all kinds of heads by name, the order alphabetical."""
    names = sorted(module.name for module in iter_modules(kinds.__path__))
    return {name: import_module(f"{kinds.__name__}.{name}").KIND for name in names}


def softmax(scores: Float) -> Float:
    """Return the probabilities `(..., k)` that scores stand for."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probabilities: Float = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities
