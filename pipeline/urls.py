"""What of a URL may be shown or written down, and whether there is a secret in it."""

import re
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit

_SECRET_KEY = re.compile(r"tok|key|sig|secret|pass|pwd|auth|cred|session|jwt|sas|code", re.I)
_SECRET_BYTES = 20  # no harmless value (`download=1`, `format=zip`) is as long
_NAME_BYTES = 200  # a file system takes 255; temporary names add a few
_OTHER_WAYS = (
    "it would end in dvc.lock and in git. Expected a URL without: put the log-in into ~/.netrc "
    "(machine HOST login NAME password WORD; NETRC names another), or download the file and give its path"
)


def is_url(text: str) -> bool:
    """Tell whether a text means a URL: `x://...`, or a scheme that is asked for by HTTP."""
    return "://" in text or text.lower().startswith(("http:", "https:", "file:"))


def url_fault(url: str) -> str | None:
    """Say why a URL cannot be used, without showing it: it may hold a secret; None if it can.

    DVC writes the URLs that it depends on into `dvc.lock`, and thus into git.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is no number raises
    except ValueError:
        return "is no valid URL; expected https://host/..., with '[' and ']' around an IPv6 address alone"
    if parts.scheme == "file":
        return "begins with file:, which DVC cannot read; expected the path itself"
    if parts.scheme not in ("http", "https") or not host:
        return (
            "is of a kind that is not known; expected https://host/..., http://host/..., or a path"
        )
    if "@" in parts.netloc:
        return f"holds a user name or password; {_OTHER_WAYS}"
    for key, value in parse_qsl(f"{parts.query}&{parts.fragment}", keep_blank_values=True):
        if _SECRET_KEY.search(key) or max(len(key), len(value)) >= _SECRET_BYTES:
            return f"holds what looks like a secret behind its '?' or '#'; {_OTHER_WAYS}"
    return None


def plain_url(url: str) -> str:
    """Return a URL without credentials, query and fragment; a text that is no URL as it is."""
    if not is_url(url):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition(':')[0]}://..."
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def url_file_name(url: str) -> str:
    """Return the file name at the end of a URL, or nothing if there is none that is fit."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    fit = name.isprintable() and "\\" not in name and not name.startswith(".")
    return name if fit and len(name.encode()) <= _NAME_BYTES else ""
