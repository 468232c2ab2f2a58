"""What a person sees: steps with a tick and the time they took, headings, tables.  Plain text."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO


class Step:
    """A running step; `note` adds what was found to its line."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Screen:
    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        if isinstance(self._out, io.TextIOWrapper):
            self._out.reconfigure(errors="replace")  # a terminal without ticks gets question marks

    def line(self, text: str = "") -> None:
        print(text, file=self._out, flush=True)

    def heading(self, text: str) -> None:
        self.line()
        self.line(text)
        self.line("=" * len(text))

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """Print one line when the step is done: a tick, or a cross if it raised."""
        begin, step, mark = time.monotonic(), Step(), "✗"
        try:
            yield step
            mark = "✓"
        finally:
            notes = f"  ({'; '.join(step.notes)})" if step.notes else ""
            self.line(f"  {mark} {time.monotonic() - begin:5.1f} s  {what}{notes}")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns as wide as their widest cell."""
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
        for row in (head, ["-" * width for width in widths], *rows):
            self.line("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
