"""The errors that a user can cause and fix; anything else keeps its traceback.

A message says what was being done, what was found, what was expected, and which file or
params.yaml key to change. The command line prints it and ends with status 1.
"""

import difflib
import errno
import os
import tempfile
from collections.abc import Iterable

_ROOM = "make room; `bottleneck doctor` says how much is needed"
_RIGHTS = "give this user the right to read and write it (ls -l says who has it)"
_IN_THE_WAY = "a file lies where a folder should, or a folder where a file should: move it away"
_HANDLES = "too many files are open at once: raise the limit (ulimit -n) and run again"
_ADVICE = {
    errno.ENOSPC: _ROOM, errno.EDQUOT: _ROOM, errno.EFBIG: _ROOM,
    errno.EROFS: "it is mounted for reading alone: mount it for writing, or work in another place",
    errno.EACCES: _RIGHTS, errno.EPERM: _RIGHTS,
    errno.ENAMETOOLONG: "shorten the name",
    errno.ENOTDIR: _IN_THE_WAY, errno.EISDIR: _IN_THE_WAY, errno.EEXIST: _IN_THE_WAY,
    errno.ELOOP: "a link leads back to itself: remove it",
    errno.EMFILE: _HANDLES, errno.ENFILE: _HANDLES,
    errno.ENOMEM: "free some memory and run again",
    errno.EIO: "the disk, or the way to it, fails: look at it (dmesg) before you run again",
    errno.ESTALE: "the file server has changed: mount it again", errno.ETIMEDOUT: "is the file server there?",
}  # fmt: skip


class PipelineError(Exception):
    """Something outside the program is wrong; the message says how to put it right."""


class ParamsError(PipelineError):
    """params.yaml holds something that the pipeline cannot use."""


class SourceError(PipelineError):
    """A dataset's archive cannot be obtained."""


class ArchiveError(PipelineError):
    """An archive is damaged, unsafe, or not laid out as a labelled set of images."""


class ImageError(PipelineError):
    """Bytes are not an image that the pipeline can use."""


class ManifestError(PipelineError):
    """A manifest is missing, damaged, or does not fit the files beside it."""


class InUse(PipelineError):
    """Another run is at work where this one would write."""


class CorrectionsError(PipelineError):
    """A file of corrected labels names what is not there, or contradicts itself."""


class SplitError(PipelineError):
    """A dataset has too few images to be split as asked."""


class BackboneError(PipelineError):
    """A backbone does not exist, or its weights cannot be had or do not fit."""


class DeviceMemoryFull(BackboneError):
    """A batch does not fit the memory of a device; a smaller one may."""


class NonFiniteFeatures(PipelineError):
    """A backbone gave NaN or infinity for some images."""


class FeaturesError(PipelineError):
    """A features file is missing, damaged, or of another schema."""


class StoreError(PipelineError):
    """The feature store cannot be read or written."""


class HeadError(PipelineError):
    """A saved head is missing, damaged, or does not fit the features."""


class NoClassMap(PipelineError):
    """No place of an image speaks for a class: features or head keep none."""


class ExportError(PipelineError):
    """A model cannot be exported as asked, or not to there."""


class PredictionsError(PipelineError):
    """A table of predictions is missing or damaged."""


class InspectionError(PipelineError):
    """A table of inspections is missing or damaged."""


class StudyError(PipelineError):
    """A study cannot be run, or its results cannot be read."""


class ExperimentsError(PipelineError):
    """DVC's experiments cannot be listed, or the one asked for is not among them."""


def describe_os_error(error: OSError) -> str | None:
    """Say in one line what the system refuses and what to do; None if that looks like a bug of ours."""
    if "AF_UNIX path too long" in str(error):  # the one that has no number
        return (
            f"{tempfile.gettempdir()}: File name too long for what the processes that share the work talk "
            "through; set TMPDIR to a shorter path, as /tmp."
        )
    advice = advice_for(error)
    if advice is None:
        return None
    where = error.filename if error.filename is not None else "a file"
    where = where if isinstance(where, str) else os.fsdecode(where)
    return f"{where}: {os.strerror(error.errno or 0)}; {advice}."


def advice_for(error: OSError) -> str | None:
    """Say what to do about what the system refuses; None where that is not known."""
    return _ADVICE.get(error.errno or 0)


def first_line(error: Exception) -> str:
    """Return the first line of what a library's error says; its type where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the known name nearest to `name`, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def openvino_fault(error: Exception) -> str:
    """Return the line of an error of OpenVINO's that says what is wrong: by its words, or the last."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    told = [one.lstrip("- ") for one in lines if "No conversion rule found" in one]
    return told[0] if told else lines[-1]
