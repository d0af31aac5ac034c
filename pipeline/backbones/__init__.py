"""Frozen ImageNet networks: how each is built, scaled and cut, and where its weights are."""
