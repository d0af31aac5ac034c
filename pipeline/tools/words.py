"""Numbers in sentences for people."""


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 image`, `2 images`, `3,000 images`; the plural has an s where none is given."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
