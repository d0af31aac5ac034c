"""A file a kind of head: its settings, how it is fitted, and what it says of features."""
