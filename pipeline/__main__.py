"""`python -m pipeline` is the same as `bottleneck`."""

import sys

try:
    from pipeline.cli import main
except ModuleNotFoundError as error:
    print(
        f"Error: {error.name} is not installed for {sys.executable}: run `make install`, then "
        "`source .venv/bin/activate`",
        file=sys.stderr,
    )
    raise SystemExit(1) from None

main()
