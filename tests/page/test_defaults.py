"""The defaults are those of the params.yaml that the project comes with, and of the code."""

from pathlib import Path

from pipeline.page.defaults import DEFAULTS
from pipeline.page.rendering import DECIDE_NOTHING
from pipeline.params import load_params


def test_the_defaults_are_those_of_params_yaml() -> None:
    params = load_params(Path(__file__).parents[2] / "params.yaml").model_dump(
        exclude=DECIDE_NOTHING
    )
    for section, values in DEFAULTS.items():
        assert params[section] == dict(values), section
