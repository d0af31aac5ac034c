"""From an archive to checked images with a split: what is used, what is quarantined, who goes where."""
