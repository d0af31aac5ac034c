"""Features with Pixeltable: a table of photos with a computed column.

`default` begins as its tutorials do: drop, create, insert all. `tuned` keeps the table, deletes the rows
whose photo is gone, and inserts the photos that it does not know, a hundred at a time.
"""

import pixeltable as pxt
from network import PHOTOS, WAY, tell
from pixeltable_look import look

ROWS_AT_ONCE = 100

if WAY == "default":
    pxt.drop_dir("peers", if_not_exists="ignore", force=True)
pxt.create_dir("peers", if_exists="ignore")
table = pxt.create_table(
    "peers/photos", {"path": pxt.String, "image": pxt.Image}, if_exists="ignore"
)
table.add_computed_column(feature=look(table.image), if_exists="ignore")
there = {str(path) for path in PHOTOS.glob("*/*")}
known = {row["path"] for row in table.select(table.path).collect()}
for path in known - there:
    table.delete(where=table.path == path)
new = sorted(there - known)
step = ROWS_AT_ONCE if WAY == "tuned" else len(new) or 1
for start in range(0, len(new), step):
    table.insert([{"path": path, "image": path} for path in new[start : start + step]])
rows = table.select(table.path, table.feature).collect()
tell({row["path"].removeprefix(f"{PHOTOS}/"): row["feature"] for row in rows}, "pixeltable")
