"""Errors: every kind is one that the command line prints, and near matches are near."""

import inspect

import pytest

from pipeline import errors
from pipeline.errors import PipelineError, did_you_mean


def test_every_kind_of_error_is_a_pipeline_error_with_a_docstring() -> None:
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if kind.__module__ == errors.__name__
    ]
    assert len(kinds) > 10
    for kind in kinds:
        assert issubclass(kind, PipelineError)
        assert kind.__doc__
        assert kind.__doc__ != PipelineError.__doc__ or kind is PipelineError


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("flower", " Did you mean 'flowers'?"),
        ("cats_vs_dog", " Did you mean 'cats_vs_dogs'?"),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_a_near_match_is_offered_and_a_far_one_is_not(name: str, answer: str) -> None:
    assert did_you_mean(name, ["cats_vs_dogs", "flowers"]) == answer
