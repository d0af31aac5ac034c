"""From a dataset's tables to its features: which rows are wanted, how they are computed."""
