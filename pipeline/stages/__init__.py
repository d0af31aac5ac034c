"""The stages: each reads, calls what does the work, writes, and says one line."""
