"""What the bytes of a JPEG tell beside its pixels: where its scans lie, and whether they are whole."""

import re
import struct
from bisect import bisect_left
from collections.abc import Collection, Iterator

import numpy as np
import simplejpeg
from numpy.typing import NDArray

JPEG_FAULTS = (ValueError, KeyError)  # simplejpeg's; KeyError for colours that it does not know
START = b"\xff\xd8"

_END = b"\xff\xd9"
_SCAN = b"\xff\xda"
_BARE_MARKERS = (0x00, 0x01, *range(0xD0, 0xD9))  # no length follows them
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # of all kinds of JPEG
_SEQUENTIAL = (0xC0, 0xC1)  # frames that may bring all colours in one scan
_COMMENTS = (*range(0xE0, 0xEE), 0xEF, 0xFE)  # 0xEE is Adobe's, which tells the colours
_MOST_SCANS = 100  # a progressive JPEG has about ten
_MOST_SCANNED_PIXELS = 1_000_000_000  # each scan goes over all of them
_LEAST_BITS = 1 / 64  # a pixel: every block of 8 x 8 begins with a code of one bit or more
_ZEROS = bytes(256)
_READ_AHEAD = 16  # bytes; libjpeg holds 64 bits
_LOSS = re.compile(
    r"(?:Corrupt JPEG data: )?((?:bad Huffman|found marker|premature|\d+ ext).*)", re.I
)
_BYTES_LEFT = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")


def start_of_scan(data: bytes) -> int:
    """Return where a JPEG's pixels begin; its length if that is not to be found."""
    *_, (marker, start, _) = [(0, 0, 0), *_segments(data)]
    return start if marker == _SCAN[1] else len(data)


def find_frame(data: bytes) -> int | None:
    """Return where the segment lies that says how large a JPEG is."""
    return next((start for marker, start, _ in _segments(data) if marker in _FRAMES), None)


def read_size(data: bytes) -> tuple[int, int] | None:
    """Return the width and height that a JPEG claims, pixels; None if it claims none."""
    frame = find_frame(data)
    if frame is None or frame + 9 > len(data):
        return None
    height, width = struct.unpack_from(">HH", data, frame + 5)
    return width, height


def find_excess(data: bytes, width: int, height: int) -> str:
    """Tell why a JPEG must not be decoded: its size cannot be true, or it would take too long."""
    if len(data) * 8 < width * height * _LEAST_BITS:
        return f"damaged: {len(data):,} bytes cannot hold {width} x {height} pixels"
    scans = _count_scans(data)
    most = min(_MOST_SCANS, _MOST_SCANNED_PIXELS // (width * height))
    if scans > most:
        return f"too many scans: {scans}, at most {most} are read of {width} x {height} pixels"
    return ""


def _count_scans(data: bytes) -> int:
    """Count the scans of a JPEG, not what looks like one in a video or an image behind it."""
    frame, start = find_frame(data), start_of_scan(data)
    if (
        frame is not None
        and data[frame + 1] in _SEQUENTIAL
        and data[frame + 9 : frame + 10] == data[start + 4 : start + 5]
    ):
        return 1  # it brings all colours, and is the last that libjpeg reads
    end = data.find(_END, start)  # coded pixels never look like either
    return data.count(_SCAN, start, end if end >= 0 else len(data))


def find_damage(data: bytes) -> str:
    """Tell what libjpeg says of lost pixels, if it complains of a JPEG at all.

    It also complains of what does no harm: an odd version, bytes between the segments or behind the
    scans. And it tells its first complaint only. So the former are taken out of a copy before the
    question, and the latter are looked at.

    Args:
        data: A JPEG's bytes, in which `find_excess` found none.

    Returns:
        The complaint; empty where all pixels are there, or only Pillow can read them.
    """
    data = join_segments(data, without=_COMMENTS)
    complaint = _complain(data)
    if left := _BYTES_LEFT.match(complaint):
        end = data.find(_END, start_of_scan(data)) - int(left[1])
        if _is_whole(data, end):
            return ""
    loss = _LOSS.match(complaint)
    return loss[1] if loss else ""


def join_segments(data: bytes, without: Collection[int] = ()) -> bytes:
    """Return a JPEG with nothing between its segments, and without those of some markers."""
    kept = [data[start:end] for marker, start, end in _segments(data) if marker not in without]
    return START + b"".join(kept[:-1]) + data[start_of_scan(data) :]


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment up to the first scan's; bytes between are skipped."""
    at = data.find(b"\xff", len(START))
    while 0 <= at < len(data) - 4:
        marker, end = data[at + 1], at + 2
        if marker == 0xFF:
            end = at + 1
        elif marker not in _BARE_MARKERS:
            end += int.from_bytes(data[at + 2 : at + 4], "big")
            yield marker, at, end
            if marker == _SCAN[1]:
                return
        at = data.find(b"\xff", end)


def _complain(data: bytes) -> str:
    """Return libjpeg's first complaint of a JPEG, empty if it has none."""
    try:
        _decode(data, eighth=True)
    except JPEG_FAULTS as error:
        return str(error)
    return ""


def _decode_whole(data: bytes) -> bytes:
    """Return all pixels of a JPEG, or nothing if libjpeg complains."""
    try:
        return _decode(data, eighth=False)
    except JPEG_FAULTS:
        return b""


def _decode(data: bytes, *, eighth: bool) -> bytes:
    """Decode all colours of a JPEG, an eighth as large if wanted."""
    height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=True)
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data,
        "CMYK" if colours in ("CMYK", "YCCK") else "RGB",
        min_height=1 if eighth else height,
        min_width=1 if eighth else width,
        strict=True,
    )
    return pixels.tobytes()


def _is_whole(data: bytes, end: int) -> bool:
    """Tell whether the scans of a JPEG, behind which other bytes lie, ended where they should.

    Where some of a scan is overwritten, the decoder goes astray, and may need too few of the bytes
    for all pixels. Then it ends anywhere in the scan. But an encoder fills up its last byte with
    ones (ITU-T T.81, F.1.2.3), and does not write zeros for long.

    Args:
        data: A JPEG's bytes.
        end: Where its last scan ends, to a few bytes: libjpeg reads ahead.
    """
    if _ZEROS in data[data.rfind(_SCAN, 0, end) : end]:
        return False
    if data.count(_SCAN, start_of_scan(data), end) > 1:  # whose last bits may show in no pixel
        return _is_complete(data[:end])

    def is_enough(end: int) -> bool:
        complaint = _complain(data[:end] + _END)
        return not complaint or bool(_BYTES_LEFT.match(complaint))

    near = range(end - _READ_AHEAD, end + _READ_AHEAD)
    return _is_filled_up(data[: near.start + bisect_left(near, True, key=is_enough)])


def _is_complete(scans: bytes) -> bool:
    """Tell whether several scans bring all 64 coefficients of all their colours to the last bit."""
    done = set()
    for scan in re.finditer(_SCAN, scans[(start := start_of_scan(scans)) :]):
        colours = start + scan.end() + 3
        coefficients = colours + 2 * scans[colours - 1]
        first, last, bits_left = scans[coefficients : coefficients + 3]
        if bits_left % 16 == 0:
            done |= {
                (one, k) for one in scans[colours:coefficients:2] for k in range(first, last + 1)
            }
    return len(done) == 64 * len({colour for colour, _ in done})


def _is_filled_up(scan: bytes) -> bool:
    """Tell whether the bits of the last byte that the pixels do not need are ones."""
    expected = _decode_whole(scan + _END)
    for bit in range(8):
        changed = scan[:-1] + bytes([scan[-1] ^ 1 << bit])
        if _decode_whole(changed + _END) != expected:
            break  # this bit was needed
        if not scan[-1] >> bit & 1:
            return False
    return True
