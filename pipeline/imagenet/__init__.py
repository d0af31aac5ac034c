"""What networks learned of ImageNet: its classes, and the classifier that came with a network's weights."""
