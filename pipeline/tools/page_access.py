"""Whom a page on this machine answers: itself, opened at this machine's address, and no other web page.

A browser sends what any web page asks it to: a form to this address, or, once that page's own name leads
here, whatever it likes (DNS rebinding).

Reference:
    OWASP, "Cross-Site Request Forgery Prevention Cheat Sheet", verifying origin with standard headers.
"""

import socket
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

Headers = Iterable[tuple[bytes, bytes]]


def names_of_this_machine(host: str) -> set[str]:
    """Return the names, lower case, by which the page may be opened, beside any address in numbers.

    Args:
        host: Where it is served, as the user gave it.
    """
    name = socket.gethostname().lower()
    return {"localhost", host.lower(), name, name.partition(".")[0], f"{name}.local"}


def find_refusal(headers: Headers, names: Collection[str]) -> str | None:
    """Say why a request is not answered; None of one that is.

    Args:
        headers: Of the request, as ASGI gives them: names in lower case.
        names: Of this machine.
    """
    found = {name: value.decode("latin-1") for name, value in headers}
    host, origin = found.get(b"host", ""), found.get(b"origin")
    if not _is_here(host, names):
        return (
            f"asked as {host or 'nobody'}: open this page by an address in numbers, as localhost, or by this "
            "machine's own name"
        )
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        return f"asked by a page of {origin}: only this page itself may ask"
    return None


def _is_here(host: str, names: Collection[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name in names:
            return True
        ip_address(name)
    except ValueError:
        return False
    return True
