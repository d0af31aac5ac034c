"""The errors that a user can cause and mend; anything else keeps its traceback.

A message says what was being done, what was found, what was expected, and which file or
params.yaml key to change. The command line prints it and ends with status 1.
"""

import difflib
from collections.abc import Iterable


class PipelineError(Exception):
    """Something outside the program is wrong; the message says how to put it right."""


class ParamsError(PipelineError):
    """params.yaml holds something that the pipeline cannot use."""


class DiskFull(PipelineError):
    """A stage's results do not fit the disk."""


class SourceError(PipelineError):
    """A dataset's archive cannot be obtained."""


class ArchiveError(PipelineError):
    """An archive is damaged, unsafe, or not laid out as a labelled set of images."""


class ImageError(PipelineError):
    """Bytes are not an image that the pipeline can use."""


class ManifestError(PipelineError):
    """A manifest is missing, damaged, or does not fit the files beside it."""


class SplitError(PipelineError):
    """A dataset has too few images to be dealt as asked."""


class BackboneError(PipelineError):
    """A backbone does not exist, or its weights cannot be had or do not fit."""


class NonFiniteFeatures(PipelineError):
    """A backbone gave NaN or infinity for some images."""


class FeaturesError(PipelineError):
    """A features file is missing, damaged, or of another schema."""


class StoreError(PipelineError):
    """The feature store cannot be read or written."""


class HeadError(PipelineError):
    """A saved head is missing, damaged, or does not fit the features."""


class PredictionsError(PipelineError):
    """A table of predictions is missing or damaged."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the known name nearest to `name`, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
