from __future__ import annotations

import pytest

from tests.rest.api import Api


@pytest.fixture
def api():
    return Api()
