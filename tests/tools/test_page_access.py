"""The page answers where it is opened on this machine, and no other page."""

import pytest

from pipeline.tools.page_access import find_refusal, names_of_this_machine

NAMES = names_of_this_machine("Box.lan")
ANSWERED = (
    {"host": "127.0.0.1:7860"},
    {"host": "localhost:7860", "origin": "http://localhost:7860"},
    {"host": "[::1]:7860", "origin": "http://[::1]:7860"},
    {"host": "192.168.1.7:7860"},
    {"host": "box.LAN", "origin": "https://box.lan"},
)
REFUSED = (
    ({}, "asked as nobody"),
    ({"host": "evil.example:7860"}, "asked as evil.example:7860: .*own name"),
    ({"host": "evil.example", "origin": "http://evil.example"}, "asked as evil"),
    ({"host": "127.0.0.1.evil.example"}, "asked as 127"),
    ({"host": "localhost@evil.example"}, "asked as localhost@"),
    ({"host": "[::1"}, "asked as"),
    ({"host": "localhost:7860", "origin": "http://evil.example"}, "asked by a page of http://evil"),
    ({"host": "localhost:7860", "origin": "http://localhost:9999"}, "asked by a page of"),
    ({"host": "localhost:7860", "origin": "null"}, "asked by a page of null"),
    ({"host": "localhost:7860", "origin": ""}, "asked by a page of"),
)


def as_asgi(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


@pytest.mark.parametrize("headers", ANSWERED)
def test_the_page_itself_is_answered(headers: dict[str, str]) -> None:
    assert find_refusal(as_asgi(headers), NAMES) is None


@pytest.mark.parametrize(("headers", "reason"), REFUSED)
def test_what_another_page_asks_is_refused(headers: dict[str, str], reason: str) -> None:
    said = find_refusal(as_asgi(headers), NAMES)
    assert said is not None
    assert said.startswith(reason.partition(": .*")[0])
    assert reason.rpartition(".*")[2] in said


PROXIED = (
    {"host": "pets.example"},
    {"host": "pets.example", "origin": "https://pets.example"},
    {
        "host": "localhost:7860",
        "origin": "https://PETS.example:8443",
    },  # the host is put in its place
    {"host": "localhost:7860", "origin": "http://localhost:7860"},
)


@pytest.mark.parametrize("headers", PROXIED)
def test_what_a_named_proxy_hands_on_is_answered(headers: dict[str, str]) -> None:
    assert find_refusal(as_asgi(headers), NAMES, "pets.example") is None


@pytest.mark.parametrize(("headers", "reason"), REFUSED)
def test_beside_a_proxy_the_same_is_refused(headers: dict[str, str], reason: str) -> None:
    assert find_refusal(as_asgi(headers), NAMES, "pets.example") == find_refusal(
        as_asgi(headers), NAMES
    )


def test_without_its_name_a_proxy_is_another_page() -> None:
    refusals = [find_refusal(as_asgi(headers), NAMES) for headers in PROXIED[:3]]
    assert all(refusals)
