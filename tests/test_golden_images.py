"""Each way through the decoder gives the pixels that it gave when the features in a store were computed."""

import numpy as np
import pytest

from pipeline.images import decode_grey, decode_square
from tests.golden_images import FILE, SIDE, golden_images

GOLDEN = dict(np.load(FILE))
NAMES = [name.removesuffix(": file") for name in GOLDEN if name.endswith(": file")]
# Grey levels. Here none differs without AVX-512, without AVX2, and without any of libjpeg's own
# vector code; a processor of another kind may round otherwise.
SIMD_LEVELS = 1


def test_every_way_has_its_golden_image() -> None:
    assert [name for name, _ in golden_images()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_pixels_are_what_they_were(name: str) -> None:
    data = GOLDEN[f"{name}: file"].tobytes()
    square = decode_square(data, SIDE).astype(int)
    assert np.abs(square - GOLDEN[f"{name}: square"]).max() <= SIMD_LEVELS
    grey = decode_grey(data, SIDE).pixels.astype(int)
    assert np.abs(grey - GOLDEN[f"{name}: grey"]).max() <= SIMD_LEVELS
