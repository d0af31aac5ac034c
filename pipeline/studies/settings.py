"""studies/params.yaml as frozen, checked sections: one a study, in the order of the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from pipeline import paths
from pipeline.errors import ParamsError
from pipeline.params import (
    BackboneParams,
    Name,
    Section,
    Seed,
    all_faults,
    describe_fault,
    load_settings,
)


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a value that stands twice: it would be tried twice, and count as more seeds."""
    if len(set(values)) < len(values):
        raise ValueError(f"expected each value once, found {list(values)}")
    return values


EachOnce = AfterValidator(_each_once)
Blocks = Annotated[int, Field(ge=1, le=1000)] | Literal["all"]


class ScratchParams(Section):
    """The small network that is trained from nothing.

    Attributes:
        input_size: Pixels; images are resized to input_size x input_size.
        epochs: Passes over the training images.
        least_steps: So many steps at least, by more passes, where there are few images.
        batch_size: Images a step.
        learning_rate: Of Adam at first; it falls to 0 by a cosine.
        dropout: Share of the hidden units dropped in training.
    """

    input_size: int = Field(ge=32, le=1024)
    epochs: int = Field(ge=1, le=10_000)
    least_steps: int = Field(ge=1, le=1_000_000)
    batch_size: int = Field(ge=1, le=4096)
    learning_rate: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    seed: Seed


class FinetuneParams(Section):
    """The last blocks of the backbone, which learn with the head.

    Attributes:
        blocks: How many of the last blocks learn, each in turn, beside none; or all.
        epochs: Passes over the training images.
        least_steps: So many steps at least, by more passes, where there are few images.
        batch_size: Images a step.
        learning_rate: Of Adam at first, for the head; it falls to 0 by a cosine.
        rate_decay: Each block learns so many times as fast as what is behind it.
        seed: Of the order of images.
    """

    blocks: Annotated[tuple[Blocks, ...], EachOnce] = Field(min_length=1, strict=False)
    epochs: int = Field(ge=1, le=10_000)
    least_steps: int = Field(ge=1, le=1_000_000)
    batch_size: int = Field(ge=1, le=4096)
    learning_rate: float = Field(gt=0)
    rate_decay: float = Field(gt=0, le=1)
    seed: Seed


class LearningCurveParams(Section):
    """Accuracy against images a class.

    Attributes:
        images_a_class: How many, each in turn, beside as many as there are.
        seeds: How many times each, from finetune.seed on: other images, other first weights.
        blocks: How many of the last blocks learn where it is fine-tuned.
    """

    images_a_class: Annotated[tuple[Annotated[int, Field(ge=1)], ...], EachOnce] = Field(
        strict=False
    )
    seeds: int = Field(ge=1, le=100)
    blocks: Blocks


class AugmentationParams(Section):
    """What is tried of augmented copies; their limits and seed are those of ../params.yaml.

    Attributes:
        copies: How many of each training image are tried, beside none.
        alone: How many there are where one change alone makes them.
        seeds: How many heads are fitted to each, from the head's seed on.
    """

    copies: Annotated[tuple[Annotated[int, Field(ge=1, le=20)], ...], EachOnce] = Field(
        min_length=1, strict=False
    )
    alone: int = Field(ge=1, le=20)
    seeds: int = Field(ge=1, le=100)


class Candidate(BackboneParams):
    """A network as the frontier tries it: a backbone, and what it computes in."""

    network: str
    precision: Literal["float32", "bfloat16", "float16"] = "float32"


class FrontierParams(Section):
    """Which networks are compared in quality and time.

    Attributes:
        candidates: By names of one's own.
        timed: On about how many images each is timed.
        seeds: How many heads are fitted to each, from the head's seed on.
    """

    candidates: dict[Name, Candidate] = Field(min_length=1)
    timed: int = Field(ge=1, le=1_000_000)
    seeds: int = Field(ge=1, le=100)


class AdviceParams(Section):
    """The bounds of the textbooks' four cases.

    Attributes:
        small: So many training images a class, or fewer, are few.
        similar: Share of an early layer's errors that the last one must avoid on images like ImageNet's.
    """

    small: int = Field(ge=1)
    similar: float = Field(ge=0, le=1)


class StudiesParams(Section):
    """All of studies/params.yaml."""

    scratch: ScratchParams
    finetune: FinetuneParams
    learning_curve: LearningCurveParams
    augmentation: AugmentationParams
    frontier: FrontierParams
    advice: AdviceParams

    @model_validator(mode="after")
    def _the_curve_takes_maps_that_are_there(self) -> Self:
        if self.learning_curve.blocks not in self.finetune.blocks:
            raise ValueError(
                f"learning_curve.blocks is {self.learning_curve.blocks}, expected one of finetune.blocks, "
                f"{list(self.finetune.blocks)}: their frozen part is computed once for both"
            )
        return self


def load_studies(path: Path = paths.STUDIES) -> StudiesParams:
    """Read and check studies/params.yaml.

    Raises:
        ParamsError: The file is missing or not YAML, or it has faults: the message lists them all.
    """
    return load_settings(path, parse_studies)


def parse_studies(tree: object) -> StudiesParams:
    """Check a tree of plain values, as YAML gives it.

    Raises:
        ParamsError: Lists every fault.
    """
    if not isinstance(tree, Mapping):
        known = ", ".join(StudiesParams.model_fields)
        raise ParamsError(
            f"no settings: expected the sections {known}; found {type(tree).__name__}."
        )
    try:
        return StudiesParams.model_validate(tree)
    except ValidationError as error:
        faults = [describe_fault(dict(fault), _keys_allowed_at) for fault in error.errors()]
        raise all_faults(faults) from None


def _keys_allowed_at(keys: list[str]) -> list[str]:
    """Return the keys that a section knows, given its dotted place."""
    if not keys:
        return list(StudiesParams.model_fields)
    if keys[1:2] == ["candidates"]:
        return list(Candidate.model_fields)
    section = StudiesParams.model_fields[keys[0]].annotation
    return list(getattr(section, "model_fields", ()))
