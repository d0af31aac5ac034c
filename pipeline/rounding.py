"""Shares as people read them: rounded, but never to a certainty that is none."""

NARROW_SPACE = "\u202f"
EXACT = 1e-12  # nearer to 0 or 1 than what adding up many numbers leaves


def percent(share: float, digits: int = 1) -> str:
    """Return a share, 0..1, as a percentage; "<0.1 %" and ">99.9 %" where rounding would say none or all."""
    return f"{_rounded(share, 100, digits)}{NARROW_SPACE}%"


def decimal(share: float, digits: int = 3) -> str:
    """Return a share, 0..1, with so many decimals; "<0.001" and ">0.999" likewise."""
    return _rounded(share, 1, digits)


def _rounded(share: float, whole: int, digits: int) -> str:
    text, step = f"{share * whole:.{digits}f}", 10.0**-digits
    if EXACT < share < 1 - EXACT:
        if float(text) == 0:
            return f"<{step:.{digits}f}"
        if float(text) == whole:
            return f">{whole - step:.{digits}f}"
    return text
