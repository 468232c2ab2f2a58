"""Benchmarks: every figure is a ratio against a floor or a peer measured in the same run.

    make bench                           every row, and docs/generated/benchmarks.md and .json
    .venv/bin/python -m bench P1 P4      some rows, printed only
    .venv/bin/python -m bench --quick    all of them, small

One program a row (`p1_programming` ... `p8_traffic`, `b1_pressure`), each with `run(quick) -> Row`.
"""
