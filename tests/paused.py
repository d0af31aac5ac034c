"""Commands of ours, one after the other in one process, with MeanColour for an engine, slowed down.

python -m tests.paused <log> <seconds an image> <bytes of the largest file> <light> "split pets" ...

The log gets a byte an image. Bytes: 0 is any number. Light: 1 lets threads do what stages start processes
for, 0 does not. A command that fails ends it, with that command's exit status.
"""

import sys

SHARD_ROWS = 4


def main(log: str, pause: str, largest: str, light: str, *commands: str) -> None:
    # Not above: worker processes import this module, and need none of it.
    import os
    import resource
    import time
    from concurrent.futures import ThreadPoolExecutor

    import pytest

    from pipeline import cli
    from pipeline.runners import pool
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
        if int(light):
            patch.setattr(pool, "open_processes", lambda _: ThreadPoolExecutor(1))
        for command in commands:
            patch.setattr(sys, "argv", ["bottleneck", *command.split()])
            try:
                cli.main()
            except SystemExit as end:
                if end.code:
                    raise


if __name__ == "__main__":
    main(*sys.argv[1:])
