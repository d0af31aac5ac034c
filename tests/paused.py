"""Commands of ours, one after the other in one process, with MeanColour for an engine, slowed down.

python -m tests.paused <log of images> <seconds an image> <bytes of the largest file, 0: any> "split pets" ...

The log gets a byte an image. A command that fails ends it, with that command's exit status.
"""

import sys

SHARD_ROWS = 4


def main(log: str, pause: str, largest: str, *commands: str) -> None:
    # Not above: worker processes import this module, and need none of it.
    import os
    import resource
    import time

    import pytest

    from pipeline import cli
    from pipeline.store import store
    from tests.fakes import MeanColour, use_mean_colour

    if size := int(largest):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)

    def slow_down(_: int) -> None:
        os.write(descriptor, b"x")  # on the disk even if this process is killed
        time.sleep(float(pause))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "SHARD_ROWS", SHARD_ROWS)
        use_mean_colour(patch, MeanColour(before=slow_down))
        for command in commands:
            patch.setattr(sys, "argv", ["bottleneck", *command.split()])
            try:
                cli.main()
            except SystemExit as end:
                if end.code:
                    raise


if __name__ == "__main__":
    main(*sys.argv[1:])
