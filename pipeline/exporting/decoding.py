"""Image bytes to a backbone's pixels in TensorFlow: what `pipeline.images` does, as a graph.

To the bit the same pixels for JPEG and PNG, but for three cases: TensorFlow decodes a JPEG at a half, a
quarter or an eighth of its size, not at three eighths; JPEGs in CMYK; and an orientation that only XMP tells.
"""

from typing import Any

import tensorflow as tf

from pipeline.images import AREA_FACTOR, CROP

SHRINKS = (8, 4, 2, 1)  # by which TensorFlow can divide a JPEG's size while decoding
COEFFICIENT_BITS = 11  # OpenCV's linear interpolation is in whole numbers of 1/2048


def decode_squares(images: Any, size: int) -> Any:
    """Decode images and cut the square from the middle of each; see `pipeline.images.decode_square`.

    Args:
        images: String `(b,)`: the bytes of JPEG, PNG, GIF or BMP files.
        size: Height and width wanted, pixels.

    Returns:
        uint8 `(b, size, size, 3)`, RGB, upright.
    """
    square = tf.TensorSpec((size, size, 3), tf.uint8)
    return tf.map_fn(lambda data: _decode_square(data, size), images, fn_output_signature=square)


def _decode_square(data: Any, size: int) -> Any:
    is_jpeg = tf.io.is_jpeg(data)
    pixels = tf.cond(
        is_jpeg,
        lambda: _decode_jpeg(data, round(size / CROP)),
        lambda: _decode_other(data),
    )
    turn = tf.cond(is_jpeg, lambda: _orientation(data), lambda: tf.constant(1))
    square = _middle(pixels)
    is_large = tf.shape(square)[0] >= AREA_FACTOR * size
    small = tf.cond(is_large, lambda: _average(square, size), lambda: _interpolate(square, size))
    return tf.ensure_shape(_turn_upright(small, turn), (size, size, 3))


def _decode_jpeg(data: Any, least: int) -> Any:
    """Decode at the smallest size that is no less than `least` either way."""
    shape = tf.io.extract_jpeg_shape(data)
    shorter = tf.minimum(shape[0], shape[1])
    fits = tf.stack([(shorter + shrink - 1) // shrink >= least for shrink in SHRINKS[:-1]] + [True])

    def decode(shrink: int) -> Any:
        return lambda: tf.io.decode_jpeg(data, 3, ratio=shrink, dct_method="INTEGER_ACCURATE")

    first = tf.argmax(tf.cast(fits, tf.int32), output_type=tf.int32)
    return tf.switch_case(first, [decode(shrink) for shrink in SHRINKS])


def _decode_other(data: Any) -> Any:
    """Decode PNG, what is transparent on white, or GIF or BMP."""
    is_png = tf.equal(tf.strings.substr(data, 0, 4), b"\x89PNG")
    return tf.cond(
        is_png,
        lambda: _on_white(_decode_png(data)),
        lambda: tf.io.decode_image(data, 3, expand_animations=False),
    )


def _decode_png(data: Any) -> Any:
    """Decode a PNG to RGBA.

    Where it has no alpha and fewer than 8 bits, TensorFlow fills in 1, 3 or 15, and not 255.
    """
    rgba = tf.io.decode_png(data, 4)
    bits = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 24, 1), tf.uint8)[0], tf.int32)
    is_filled_in = tf.reduce_all(tf.cast(rgba[..., 3], tf.int32) == 2**bits - 1)
    opaque = tf.fill(tf.shape(rgba[..., 3:]), tf.constant(255, tf.uint8))
    return tf.where(is_filled_in, tf.concat([rgba[..., :3], opaque], axis=-1), rgba)


def _on_white(rgba: Any) -> Any:
    """Put RGBA on white, in the whole numbers of Pillow."""
    values = tf.cast(rgba, tf.int32)
    colour, opaque = values[..., :3], values[..., 3:] * 128
    mixed = colour * opaque + 255 * (255 * 128 - opaque) + 128 * 128
    return tf.cast((mixed + mixed // 256) // 256 // 128, tf.uint8)


def _orientation(data: Any) -> Any:
    """Return what a JPEG's EXIF says of its orientation, 1 if nothing."""
    raw = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 0, 1 << 17), tf.uint8), tf.int32)
    raw = tf.concat([raw, tf.zeros(16, tf.int32)], axis=0)
    mark = [tf.roll(raw, -place, 0) == byte for place, byte in enumerate(b"Exif\0\0")]
    found = tf.where(tf.reduce_all(tf.stack(mark), axis=0))[:, 0]
    start = tf.cond(
        tf.size(found) > 0, lambda: tf.cast(found[0], tf.int32) + 6, lambda: tf.size(raw) - 16
    )
    is_little = raw[start] == ord("I")

    def number(at: Any, length: int) -> Any:
        """Read numbers of so many bytes at places of the TIFF block; 0 beyond the end."""
        places = tf.minimum(start + at, tf.size(raw) - 8)
        one = [tf.gather(raw, places + place) for place in range(length)]
        little = sum(byte * 256**place for place, byte in enumerate(one))
        big = sum(byte * 256**place for place, byte in enumerate(reversed(one)))
        return tf.where(is_little, little, big)

    table = tf.clip_by_value(number(4, 4), 0, 1 << 17)
    entries = table + 2 + 12 * tf.range(number(table, 2))
    is_long = number(entries + 2, 2) == 4
    values = tf.where(is_long, number(entries + 8, 4), number(entries + 8, 2))
    said = values[number(entries, 2) == 0x0112]
    turn = tf.cond(tf.size(said) > 0, lambda: said[0], lambda: tf.constant(1))
    return tf.where((turn >= 1) & (turn <= 8), turn, 1)


def _middle(pixels: Any) -> Any:
    """Cut the square in the middle."""
    height, width = tf.shape(pixels)[0], tf.shape(pixels)[1]
    shorter = tf.cast(tf.minimum(height, width), tf.float64)
    side = tf.maximum(1, tf.cast(tf.round(shorter * CROP), tf.int32))
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _interpolate(square: Any, size: int) -> Any:
    """Interpolate linearly between pixels, in the whole numbers of OpenCV."""
    values, last = tf.cast(square, tf.int32), tf.shape(square)[0] - 1
    scale = tf.cast(tf.shape(square)[0], tf.float64) / size
    place = tf.cast((tf.range(size, dtype=tf.float64) + 0.5) * scale - 0.5, tf.float32)
    first = tf.floor(place)
    share, first = place - first, tf.cast(first, tf.int32)

    inside = (first >= 0) & (first < last)  # OpenCV takes columns at the edge as they are
    before, behind = _coefficients(tf.where(inside, share, 0.0))
    left, right = (tf.clip_by_value(first + one, 0, last) for one in (0, 1))
    left = tf.where(first < 0, 0, left)
    wide = tf.gather(values, left, axis=1) * before[:, None]
    wide += tf.gather(values, right, axis=1) * behind[:, None]

    before, behind = _coefficients(share)
    upper, lower = (tf.gather(wide, tf.clip_by_value(first + one, 0, last)) // 16 for one in (0, 1))
    high = before[:, None, None] * upper // 65536
    low = behind[:, None, None] * lower // 65536
    return tf.cast((high + low + 2) // 4, tf.uint8)


def _coefficients(share: Any) -> tuple[Any, Any]:
    whole = 2.0**COEFFICIENT_BITS
    return (tf.cast(tf.round(part * whole), tf.int32) for part in (1.0 - share, share))  # type: ignore[return-value]


def _average(square: Any, size: int) -> Any:
    """Average over equal parts."""
    side = tf.shape(square)[0]
    scale = tf.cast(side, tf.float64) / size
    edges = tf.range(size + 1, dtype=tf.float64) * scale
    pixel = tf.range(tf.cast(side, tf.float64))
    inside = tf.minimum(edges[1:, None], pixel + 1) - tf.maximum(edges[:-1, None], pixel)
    shares = tf.maximum(inside, 0) / scale
    rows = tf.tensordot(shares, tf.cast(square, tf.float64), [[1], [0]])
    cells = tf.transpose(tf.tensordot(shares, rows, [[1], [1]]), (1, 0, 2))
    return tf.cast(tf.round(cells), tf.uint8)


def _turn_upright(x: Any, orientation: Any) -> Any:
    """Undo an orientation 1 to 8 of EXIF."""
    lying = tf.transpose(x, (1, 0, 2))
    turned = [
        x, x[:, ::-1], x[::-1, ::-1], x[::-1],
        lying, lying[:, ::-1], lying[::-1, ::-1], lying[::-1],
    ]  # fmt: skip
    return tf.stack(turned)[orientation - 1]
