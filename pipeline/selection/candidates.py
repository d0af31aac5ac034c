"""sweep.yaml as a checked record, and the heads that it asks for."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from pipeline.errors import ParamsError, did_you_mean
from pipeline.heads.training import Recipe
from pipeline.params import HeadParams, Section, Seed, all_faults, describe_fault, load_settings

# What decides when training stops, and on what, is not tried: every head trains for all its epochs,
# on train alone, so that many can share their batches.
FIXED: Mapping[str, Any] = {"patience": 0, "restarts": 1, "calibrate": False, "fit_on": "train"}
NOT_TRIED = (*FIXED, "holdout")
MOST_COMBINATIONS = 100_000


class SweepParams(Section):
    """Which heads are tried, and how they are compared.

    Attributes:
        method: `grid`: every combination of the settings; `random`: `trials` of them.
        trials: How many different heads `random` draws.
        folds: Of the training images; each is held out once.
        seed: Of the folds, and of what `random` draws.
        settings: Keys of params.yaml's section `head`, each with the values to try.
    """

    method: Literal["grid", "random"]
    trials: int | None = Field(default=None, ge=1, le=MOST_COMBINATIONS)
    folds: int = Field(default=3, ge=2, le=100)
    seed: Seed = 7
    settings: dict[str, list[Any]] = Field(min_length=1)

    @model_validator(mode="after")
    def _trials_are_named_when_needed(self) -> Self:
        if (self.method == "random") != (self.trials is not None):
            raise ValueError("method 'random' needs the key trials, and 'grid' has none")
        return self

    @property
    def combinations(self) -> int:
        """How many there are of all values."""
        return math.prod(map(len, self.settings.values()))


def load_sweep(path: Path, base: HeadParams) -> SweepParams:
    """Read and check sweep.yaml, and the values in it as those of params.yaml are checked.

    Raises:
        ParamsError: The file is missing or not YAML, or it has faults: the message lists them all.
    """
    return load_settings(path, lambda tree: parse_sweep(tree, base))


def parse_sweep(tree: object, base: HeadParams) -> SweepParams:
    """Check a tree of plain values, as YAML gives it; the values to try come back as they are used.

    Raises:
        ParamsError: Lists every fault.
    """
    if not isinstance(tree, Mapping):
        known = ", ".join(SweepParams.model_fields)
        found = "nothing" if tree is None else type(tree).__name__
        raise ParamsError(f"no settings: expected a mapping with the keys {known}; found {found}.")
    faults: list[str] = []
    sweep = None
    try:
        sweep = SweepParams.model_validate(tree)
    except ValidationError as error:
        for fault in error.errors():
            where = {
                "loc": fault["loc"] or ("trials",)
            }  # what the record as a whole says is of these
            faults.append(
                describe_fault({**fault, **where}, lambda keys: [*SweepParams.model_fields])
            )
    settings = tree.get("settings")
    values = {
        key: list(_checked(key, some, base, faults))
        for key, some in (settings if isinstance(settings, Mapping) else {}).items()
        if isinstance(key, str) and isinstance(some, list)
    }
    if sweep and not faults and sweep.combinations > MOST_COMBINATIONS:
        faults.append(
            f"settings: {sweep.combinations:,} combinations, {MOST_COMBINATIONS:,} at most"
        )
    if faults or sweep is None:
        raise all_faults(faults)
    return sweep.model_copy(update={"settings": values})


def make_recipes(sweep: SweepParams, base: HeadParams) -> tuple[Recipe, ...]:
    """Return the different heads that a sweep asks for, in its order.

    Combinations that differ only in what their kind does not know are the same head.

    Args:
        sweep: Which.
        base: All that the sweep does not name.
    """
    base = base.model_copy(update=dict(FIXED))
    different: dict[Recipe, None] = {}
    for changes in _combinations(sweep):
        different[Recipe.of(base.model_copy(update=changes))] = None
        if len(different) == sweep.trials:
            break
    return tuple(different)


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """Return the settings that decide a head, under the keys of params.yaml, as plain values."""
    shared = {"kind": recipe.kind, "scaling": recipe.scaling, "seed": recipe.seed}
    own = recipe.own.model_dump(mode="json")
    return shared | {name: plain_value(value) for name, value in own.items()}


def plain_value(value: Any) -> Any:
    """Return a setting in its shortest form: one number for a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _combinations(sweep: SweepParams) -> Iterator[dict[str, Any]]:
    """Yield the combinations, the last setting varying fastest, or in an order that is drawn."""
    order: Any = range(sweep.combinations)
    if sweep.method == "random":
        order = np.random.default_rng(sweep.seed).permutation(sweep.combinations)
    lengths = [len(some) for some in sweep.settings.values()]
    for number in order:
        places = np.unravel_index(number, lengths)
        yield {
            key: some[place]
            for (key, some), place in zip(sweep.settings.items(), places, strict=True)
        }


def _checked(key: str, values: list[Any], base: HeadParams, faults: list[str]) -> Iterator[Any]:
    """Yield the values of one setting as params.yaml would have them; add what is wrong to the faults."""
    if key in NOT_TRIED:
        faults.append(
            f"settings.{key}: not to be tried: in a sweep every head trains for all its epochs, on train "
            f"alone ({', '.join(NOT_TRIED)} are fixed)"
        )
        return
    known = [name for name in HeadParams.model_fields if name not in NOT_TRIED]
    if key not in known:
        faults.append(
            f"settings.{key}: no key of head. Known: {', '.join(known)}.{did_you_mean(key, known)}"
        )
        return
    if not values:
        faults.append(f"settings.{key}: no values")
    rest = base.model_dump() | FIXED
    for place, value in enumerate(values):
        try:
            yield getattr(HeadParams.model_validate(rest | {key: value}), key)
        except ValidationError as error:
            for fault in error.errors():
                where = {"loc": ("settings", key, place, *fault["loc"][1:])}
                faults.append(describe_fault({**fault, **where}, lambda keys: known))
