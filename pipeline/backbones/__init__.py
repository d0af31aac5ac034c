"""Frozen ImageNet networks: the catalogue, and how each is built and cut."""
