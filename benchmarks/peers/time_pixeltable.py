"""Pixeltable, timed: a table that is kept, a computed column of batches, and OpenVINO on all cores."""

from pathlib import Path
from typing import Any

import numpy as np
import pixeltable as pxt
from pixeltable_openvino import look
from turns import photos_of, serve


def features(photos: Path, what: str) -> Any:
    """Bring the table up to date, and read it."""
    if what == "cold":
        pxt.drop_table("photos", if_not_exists="ignore", force=True)
    table = pxt.create_table("photos", {"path": pxt.String, "image": pxt.Image}, if_exists="ignore")
    table.add_computed_column(feature=look(table.image), if_exists="ignore")
    known = {row["path"] for row in table.select(table.path).collect()}
    new = [str(path) for path in photos_of(photos) if str(path) not in known]
    if new:
        table.insert([{"path": path, "image": path} for path in new])
    rows = {
        row["path"]: row["feature"] for row in table.select(table.path, table.feature).collect()
    }
    return np.stack([rows[path] for path in sorted(rows)])


serve(("pixeltable", "openvino"), features)
