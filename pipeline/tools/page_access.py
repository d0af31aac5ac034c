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
    """Return the names, lower case, by which a page on this machine is opened, beside any address in numbers.

    Args:
        host: Where it is served, as the user gave it.
    """
    name = socket.gethostname().lower()
    return {"localhost", host.lower(), name, name.partition(".")[0], f"{name}.local"}


def find_refusal(headers: Headers, names: Collection[str], proxy: str | None = None) -> str | None:
    """Say why a request is not answered; None of one that is.

    Args:
        headers: Of the request, as ASGI gives them: names in lower case.
        names: Of this machine.
        proxy: Name, lower case, of a web server that hands on what is asked of it there, which may
            tell its own name or this machine's as the host.
    """
    found = {name: value.decode("latin-1") for name, value in headers}
    host, origin = found.get(b"host", ""), found.get(b"origin")
    name = _name_of(host)
    if not (name in names or name == proxy or _is_address(name)):
        return (
            f"asked as {host or 'nobody'}: open this page by an address in numbers, as localhost, by this "
            "machine's own name, or by the one given as --proxy"
        )
    if origin is None:
        return None
    asking = origin.partition("://")[2].lower()
    if asking != host.lower() and (proxy is None or _name_of(asking) != proxy):
        return f"asked by a page of {origin}: only this page itself may ask"
    return None


def _name_of(host: str) -> str:
    """Return the name or address, lower case, without the port; "" of what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
