"""The report: what was found, its charts and galleries, and the page."""
