"""`python -m pipeline` is the same as `bottleneck`."""

from pipeline.cli import main

main()
