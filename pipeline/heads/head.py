"""A head: weights of some kind that turn features into probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.heads.kind import KindSettings, known_kinds, softmax
from pipeline.heads.rows import Float, Scaler, Scaling, Tensors, block_slices, round_weights
from pipeline.heads.steps import Step, apply_steps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """A fitted head.

    Attributes:
        kind: Which module of `pipeline.heads.kinds` knows what the rest means.
        settings: Of that kind.
        scaler: Applied to features first.
        tensors: The weights by name, float64, of the shapes that the kind says.
        temperature: What scores are divided by before softmax (Guo et al. 2017, arXiv:1706.04599).
    """

    kind: str
    settings: KindSettings
    scaler: Scaler
    tensors: Tensors
    temperature: float = 1.0

    def scores(self, features: NDArray[Any]) -> Float:
        """Return float64 `(n, k)`, of features float16 or float32 `(n, *shape)`."""
        rows = features.reshape(len(features), -1)
        steps = self.steps()
        parts = [
            apply_steps(steps, self.scaler.apply(rows[block]))
            for block in block_slices(*rows.shape)
        ]
        return np.concatenate(parts) / self.temperature

    def steps(self) -> Sequence[Step]:
        """Return what turns scaled features `(b, d)` into scores, before the temperature."""
        return known_kinds()[self.kind].steps(self.tensors, self.settings)

    def probabilities(self, features: NDArray[Any]) -> Float:
        """Return float64 `(n, k)`, each row a distribution over the classes.

        Args:
            features: float16 or float32 `(n, *shape)`, at least one.
        """
        return softmax(self.scores(features))

    def copy(self) -> "Head":
        """Return a head that stays as it is when training goes on."""
        return replace(self, tensors={name: one.copy() for name, one in self.tensors.items()})

    def rounded(self) -> "Head":
        """Return the head as it is saved: see `round_weights`."""
        return replace(
            self,
            tensors={name: round_weights(values) for name, values in self.tensors.items()},
            temperature=rounded_temperature(self.temperature),
        )

    def saved_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return all that `from_saved` needs, by name, contiguous."""
        every = self.tensors | self.scaler.tensors()
        return {name: np.ascontiguousarray(values, np.float32) for name, values in every.items()}

    @classmethod
    def from_saved(
        cls,
        kind: str,
        settings: KindSettings,
        scaling: Scaling,
        width: int,
        tensors: dict[str, NDArray[np.float32]],
        temperature: float,
    ) -> Self:
        """Return the head that `saved_tensors` came from, for features of a width."""
        wide = {name: values.astype(np.float64) for name, values in tensors.items()}
        scaler = Scaler.from_tensors(scaling, width, wide)
        own = {name: values for name, values in wide.items() if name not in scaler.tensors()}
        return cls(
            kind=kind, settings=settings, scaler=scaler, tensors=own, temperature=temperature
        )


def rounded_temperature(temperature: float) -> float:
    """Return a temperature as it is saved: four digits, which no processor's rounding moves."""
    return float(f"{temperature:.4g}")
