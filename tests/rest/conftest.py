from __future__ import annotations

import pytest

from tests.rest.api import Api
from tests.rest.keystone import Keystone


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def keystone():
    return Keystone()
