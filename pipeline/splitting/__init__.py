"""From an archive to checked images: what is used, what is quarantined, and each one's split."""
