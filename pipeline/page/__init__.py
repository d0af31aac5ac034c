"""The report page: its parts put together, and what it looks like."""
