"""Many heads at once, to choose among them: what to try, cross-validation, sweep."""
