"""A URL with a secret is refused, and no part of one that may be secret is shown."""

import re

import pytest

from pipeline.urls import is_url, plain_url, url_fault, url_file_name

SECRET = "open-sesame"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/pets.zip", "http://127.0.0.1:8000/a/b.tgz", "http://[::1]:80/x.zip",
        "https://zenodo.org/records/1/files/x.zip?download=1", "HTTPS://example.org/x?dl=1&format=zip",
    ],
)  # fmt: skip
def test_a_plain_url_is_taken(url: str) -> None:
    assert is_url(url)
    assert url_fault(url) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            f"https://me:{SECRET}@example.org/x.zip",
            "user name or password.*netrc.*download the file",
        ),
        (f"https://{SECRET}@example.org/x.zip", "user name or password"),
        (f"https://example.org/x.zip?token={SECRET}", "secret behind its"),
        (f"https://example.org/x.zip?a=1&X-Amz-Signature={SECRET}", "secret behind its"),
        (f"https://example.org/x.zip?sig={SECRET}", "secret behind its"),
        (f"https://example.org/x.zip?st={SECRET * 2}", "secret behind its"),
        (f"https://example.org/x.zip?{SECRET * 2}", "secret behind its"),
        (f"https://example.org/x.zip#access_token={SECRET}", "secret behind its"),
        ("http://[::1", "is no valid URL"),
        (f"http://me:{SECRET}/@example.org/x", "is no valid URL"),
        ("https:///x.zip", "of a kind that is not known; expected https"),
        ("https:x.zip", "of a kind that is not known"),
        (f"s3://me:{SECRET}@bucket/x.zip", "of a kind that is not known"),
        ("file:///home/me/x.zip", "DVC cannot read; expected the path itself"),
    ],
)
def test_a_url_with_a_fault_is_refused_and_not_shown(url: str, reason: str) -> None:
    assert is_url(url)
    fault = url_fault(url)
    assert fault is not None
    assert re.search(reason, fault)
    assert SECRET not in fault


@pytest.mark.parametrize(
    "path", ["pets", "../pets.zip", "/home/me/a:b.zip", "C:\\pets", "a?token=b"]
)
def test_a_path_is_no_url(path: str) -> None:
    assert not is_url(path)
    assert plain_url(path) == path


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://me:{SECRET}@example.org:80/a/x.zip?t={SECRET}#{SECRET}", "https://example.org:80/a/x.zip"),
        (f"http://[{SECRET}", "http://..."),
    ],
)  # fmt: skip
def test_what_may_be_secret_is_not_shown(url: str, shown: str) -> None:
    assert plain_url(url) == shown


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h/a/my%20pets.zip?x=1", "my pets.zip"), ("https://h/", ""), ("https://h/.hidden", ""),
        ("https://h/a%5Cb", ""), ("https://h/a%00b", ""), (f"https://h/{'x' * 300}.zip", ""),
    ],
)  # fmt: skip
def test_the_name_at_the_end_is_taken_if_it_is_fit(url: str, name: str) -> None:
    assert url_file_name(url) == name
