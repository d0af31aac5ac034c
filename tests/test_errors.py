"""Errors: every kind is one that the command line prints, and near matches are near."""

import errno
import inspect
import os
import pickle
import re
import socket
from pathlib import Path

import pytest

from pipeline import errors
from pipeline.errors import PipelineError, describe_os_error, did_you_mean, first_line


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


@pytest.mark.parametrize(("text", "line"), [("one\ntwo", "one"), ("", "OSError")])
def test_a_librarys_error_is_one_line_and_never_empty(text: str, line: str) -> None:
    assert first_line(OSError(text)) == line


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "No space left on device; make room"),
        (errno.EROFS, "Read-only file system; it is mounted for reading alone"),
        (errno.EACCES, "Permission denied; give this user the right"),
        (errno.ENAMETOOLONG, "File name too long; shorten the name"),
        (errno.EMFILE, "Too many open files; .* raise the limit"),
        (errno.EIO, "Input/output error; the disk, or the way to it, fails"),
        (errno.ENOTDIR, "Not a directory; .* move it away"),
    ],
)
def test_what_the_system_refuses_is_one_line_with_the_file_and_what_to_do(
    number: int, advice: str
) -> None:
    told = describe_os_error(OSError(number, "in any language", "models/pets"))
    assert told is not None
    assert re.fullmatch(rf"models/pets: {advice}.*\.", told)
    nameless = describe_os_error(OSError(number, os.strerror(number)))
    assert nameless is not None
    assert nameless.startswith("a file: ")


def test_a_temporary_folder_that_is_too_long_for_a_socket_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/tmp/long")
    with (
        socket.socket(socket.AF_UNIX) as listener,
        pytest.raises(OSError, match="AF_UNIX") as caught,
    ):
        listener.bind(str(tmp_path / ("x" * 120)))
    told = describe_os_error(caught.value)
    assert told is not None
    assert re.fullmatch(
        r"/tmp/long: File name too long .* set TMPDIR to a shorter path, as /tmp\.", told
    )


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "No such file", "x"), OSError("no number"), OSError()]
)
def test_what_looks_like_a_bug_is_not_described(error: OSError) -> None:
    assert describe_os_error(error) is None


def test_the_name_given_to_an_error_outlives_the_way_between_processes() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    error.filename = "models/pets"
    assert describe_os_error(pickle.loads(pickle.dumps(error))) == describe_os_error(error)
