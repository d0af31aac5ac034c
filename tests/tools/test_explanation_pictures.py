"""Pictures of explanations: rows of one size, whatever is written on them."""

import numpy as np

from pipeline.tools.explanation_pictures import draw_row, stack_rows

GREY = np.full((64, 64, 3), 100, np.uint8)


def test_long_names_and_titles_stay_within_their_image() -> None:
    row = draw_row(GREY, np.ones((2, 2)), "t" * 500, "n" * 500)
    short = draw_row(GREY, np.ones((2, 2)), "t", "n")
    assert row.shape == short.shape
    assert (row[:, -4:] == 255).all()
    assert stack_rows([row, short]).shape == (2 * len(row), *row.shape[1:])
