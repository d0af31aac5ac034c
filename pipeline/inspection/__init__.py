"""Looking at a dataset through its features: labels that seem wrong, outliers, a map, neighbours."""
