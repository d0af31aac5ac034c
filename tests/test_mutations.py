"""Some of the mutation run's changes; `python -m tests.mutations` makes all of them."""

import pytest

from tests.mutations import Mutation, Result, all_mutations, run

WANTED = (
    "CROP", "Rescaling(1 / 128", "<f4", "INFERENCE_PRECISION_HINT\": ", "tensorflow: KERAS_HOME=float16",
    "tensorflow: KERAS_HOME=channels_first", "tensorflow: DNNL_DEFAULT_FPMATH_MODE",
    "openvino: ONEDNN_DEFAULT", "tensorflow: TF_XLA_FLAGS", "a comment", "another name",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.long
def test_no_change_keeps_the_fingerprint_and_moves_a_feature() -> None:
    chosen = [one for one in all_mutations() if any(word in one.name for word in WANTED)]
    results = list(run(chosen))
    assert [result.mutation.name for result in results if not result.holds] == []
    moved = [result for result in results if result.features_changed]
    assert len(moved) >= 3, "the changes are seen by the features too"


@pytest.mark.parametrize(
    ("silent", "key", "features", "holds"),
    [
        (False, True, True, True),
        (False, False, False, True),
        (False, True, False, True),
        (False, None, None, True),
        (False, False, True, False),
        (True, False, False, True),
        (True, True, False, False),
        (True, None, None, False),
    ],
)
def test_a_change_holds_unless_features_move_unseen(
    silent: bool, key: bool | None, features: bool | None, holds: bool
) -> None:
    mutation = Mutation(name="some", silent=silent)
    assert Result(mutation=mutation, key_changed=key, features_changed=features).holds is holds
