"""The `patchbay` command: serve, and the tools that look at a running network."""

from __future__ import annotations

import sys

from controller import cli


def main() -> None:
    """Run a command of the command line; exit with its code."""
    sys.exit(cli.run(sys.argv[1:]))


if __name__ == "__main__":
    main()
