"""The testbed, as the tests use it; `python -m tests.netns.testbed clean` removes what aborted runs left behind."""

from __future__ import annotations

import sys

from demo.testbed import (
    Answer,
    CommandFailed,
    Controller,
    Hypervisor,
    Ping,
    RestError,
    Testbed,
    Vm,
    run,
    sweep,
    wait_until,
)

__all__ = [
    "Answer",
    "CommandFailed",
    "Controller",
    "Hypervisor",
    "Ping",
    "RestError",
    "Testbed",
    "Vm",
    "run",
    "sweep",
    "wait_until",
]


def main(arguments: list[str]) -> int:
    if arguments not in (["clean"], ["clean", "--kept"]):
        print("usage: python -m tests.netns.testbed clean [--kept]", file=sys.stderr)
        return 2
    removed = sweep(kept="--kept" in arguments)
    print(f"removed {len(removed)} testbed(s) of runs that are gone" if removed else "nothing to remove")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
