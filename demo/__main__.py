"""The demo's command line:  python -m demo [--keep | --clean]   (make demo, make demo KEEP=1, make demo-clean)."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from types import FrameType

from demo import kept, story
from demo.screen import Screen
from demo.testbed import CommandFailed, RestError, Testbed, lease, sweep

TROUBLE = (CommandFailed, RestError, TimeoutError, RuntimeError, OSError, subprocess.TimeoutExpired)
"""What a step can end with when the machine or the controller does not do what it should."""


class Interrupted(BaseException):
    """SIGINT or SIGTERM came; `code` is the exit code that says so."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number


def main(arguments: list[str]) -> int:
    """Exit code 0: all pings were answered; 1: not so, or a step failed; 128 + signal: interrupted."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=story.__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running, and say how to explore it")
    parser.add_argument("--clean", action="store_true", help="end a demo that was kept, and what aborted runs left")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        print("the demo makes network namespaces: run it as root", file=sys.stderr)
        return 1
    if options.clean:
        ended = sweep(kept=True)
        print(f"ended {len(ended)} testbed(s)" if ended else "nothing is running")
        return 0
    return _perform(Screen(), options.keep)


def _perform(screen: Screen, keep: bool) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    bed = None
    try:
        with screen.step("remove what earlier runs left behind") as step:
            ended = sweep(kept=True)
            step.note(f"{len(ended)} found" if ended else "nothing")
        bed = Testbed()
        good = story.tell(screen, bed)
        if keep:
            bed.keep()
            kept.explain(screen, bed)
            bed = None
        return 0 if good else 1
    except Interrupted as interrupted:
        screen.line("interrupted")
        return interrupted.code
    except TROUBLE as error:
        screen.line(f"{type(error).__name__}: {error}")
        return 1
    finally:
        if bed is not None:
            _clean_up(screen, bed)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


def _clean_up(screen: Screen, bed: Testbed) -> None:
    """Remove everything; a second Ctrl-C does not stop that half-way."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with screen.step("clean up"):
        bed.close()
        assert not lease.namespaces(bed.number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
