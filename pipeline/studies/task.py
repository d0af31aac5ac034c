"""What a study is asked to look at."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.parallel import Progress, no_progress
from pipeline.params import Params

if TYPE_CHECKING:  # so that the settings of one study change no other
    from pipeline.studies.settings import StudiesParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The place and the settings of a study.

    Attributes:
        dataset: Name in params.yaml.
        backbone: Name in params.yaml, of the frontier's candidates in studies/params.yaml; empty for
            a study of the dataset alone.
        params: The settings of the pipeline.
        settings: Those of the studies.
        progress: Wraps what takes long.
    """

    dataset: str
    backbone: str = ""
    params: Params
    settings: "StudiesParams"
    progress: Progress = no_progress
