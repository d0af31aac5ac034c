"""Prepare images, compute a frozen network's features once, train small heads on them."""

import os

# Read when TensorFlow is imported, hence here. oneDNN is on for every processor: left to itself
# TensorFlow picks other kernels, half as fast, where there is no AVX-512.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
