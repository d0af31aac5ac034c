"""The textbooks' four cases of transfer learning: which one a dataset is, and what they recommend for it.

Reference:
    Li, Karpathy and Johnson, CS231n, "Transfer learning", <https://cs231n.github.io/transfer-learning/>:
    the cases. Yosinski et al. 2014 (arXiv:1411.1792): later layers know less of other data. Alain and
    Bengio 2016 (arXiv:1610.01644): linear probes of layers.
"""

from dataclasses import dataclass

FEWEST_ERRORS = 10  # of the early layer; how many of fewer the last one avoids is chance
ADVICE = {
    (True, True): "fit a head to the features of the last layer",
    (True, False): "fit a head to the features of an earlier layer",
    (False, True): "fine-tune the network",
    (False, False): "fine-tune the whole network, or train one from nothing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Which case a dataset is.

    Attributes:
        images_a_class: Training images that a class has on average.
        is_small: Are those few?
        errors: Images on which the early layer's probe is wrong.
        avoided: Share of an early layer's errors that the last layer does not make; below 0: it makes more.
        is_similar: Is that much, so that what the network learned last serves these images too? Where
            the errors are too few to tell, the last layer serves as well as any.
    """

    images_a_class: float
    is_small: bool
    errors: int
    avoided: float
    is_similar: bool

    @property
    def advice(self) -> str:
        """What the textbooks recommend."""
        return ADVICE[self.is_small, self.is_similar]

    def __str__(self) -> str:
        size = "small" if self.is_small else "large"
        size = f"{size} ({self.images_a_class:,.0f} training images a class)"
        if self.errors < FEWEST_ERRORS:
            return (
                f"{size}; whether it is similar to ImageNet cannot be told (an early layer makes "
                f"{self.errors} errors): {self.advice}"
            )
        likeness = "similar to" if self.is_similar else "unlike"
        return (
            f"{size} and {likeness} ImageNet (the last layer avoids {self.avoided:.0%} of an early layer's "
            f"{self.errors} errors): {self.advice}"
        )


def decide_case(
    images_a_class: float, early: float, last: float, n: int, small: float, similar: float
) -> Case:
    """Decide by the number of images and by the accuracy of two probes.

    Args:
        images_a_class: Training images that a class has on average.
        early: Accuracy of a probe on an early layer, 0..1.
        last: Accuracy of one on the last layer, 0..1.
        n: How many images both were asked.
        small: So many images a class, or fewer, are few.
        similar: So large a share of errors that are avoided, or a larger one, is much.
    """
    errors, left = round((1 - early) * n), round((1 - last) * n)
    avoided = 1 - left / errors if errors else 0.0
    return Case(
        images_a_class=images_a_class,
        is_small=images_a_class <= small,
        errors=errors,
        avoided=avoided,
        is_similar=avoided >= similar or errors < FEWEST_ERRORS,
    )
