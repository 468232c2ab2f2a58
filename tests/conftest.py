"""Hypothesis profiles: `ci` is repeatable and quick; HYPOTHESIS_PROFILE=deep looks longer, at random.

And no test may patch the standard library of pytest itself.
"""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, suppress_health_check=_SLOW)
settings.register_profile("deep", max_examples=1000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_finish() -> None:
    """Green threads in here would have pytest-xdist's workers wait for each other for ever, now and then."""
    if "controller.green" in sys.modules:
        raise pytest.UsageError("a test imports controller.green, by itself or with a module: it needs its own process")
