"""This project beside its rivals: what each computes again, how fast it is, how good its heads are.

    python benchmarks/peers.py behaviour ../photos.zip --environments ../peers
    python benchmarks/peers.py speed ../photos.zip --environments ../peers
    python benchmarks/peers.py quality ../photos.zip

Each rival lives in an environment of its own, in a folder of `--environments`, made by pip where it is
missing; its script in benchmarks/peers/ is a process. What cannot be had here, or fails, is printed as
such, with the reason, and the others go on.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).with_suffix("")))


def main() -> None:
    """Run one part and print its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("behaviour", "speed", "quality"))
    parser.add_argument("archives", nargs="+", type=Path, help="of photos")
    parser.add_argument("--environments", type=Path, help="a folder; a temporary one without")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--events", nargs="+", help="of behaviour, as in the table; all without")
    parser.add_argument("--jobs", type=int, default=2, help="rivals of behaviour at once")
    parser.add_argument("--rounds", type=int, default=3, help="of speed")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[7, 8, 9], help="of quality's splits"
    )
    parser.add_argument("--only", nargs="+", help="names of rivals, as in the table")
    parser.add_argument("--picture", type=Path, help="an SVG to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        options.folder = Path(folder)
        options.environments = (options.environments or Path(folder, "environments")).absolute()
        run_part(options)


def run_part(options: argparse.Namespace) -> None:
    """Import the part and run it."""
    if options.part == "behaviour":
        import behaviour

        behaviour.report(options)
    elif options.part == "speed":
        import speed

        speed.report(options)
    else:
        import quality

        quality.report(options)


if __name__ == "__main__":
    main()
