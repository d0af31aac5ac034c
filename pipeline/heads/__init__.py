"""Heads: the small models that are trained on features, of any kind; no TensorFlow."""
