"""How requests are drawn from an OpenAPI document: the same ones each time, fewer of them than values elsewhere."""

from __future__ import annotations

from typing import Any

import hypothesis


def a_tenth_as_many(test: Any) -> Any:
    """For a test that is run for each operation of a document: all of them together draw plenty."""
    return hypothesis.settings(
        max_examples=hypothesis.settings.default.max_examples // 10,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )(test)
