"""Fixtures of the tests that move real packets; each bed is private to its test module or test."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.netns.testbed import Testbed, sweep

NEEDED = ("ovsdb-server", "ovs-vswitchd", "ip", "ethtool", "tcpdump")


def pytest_collection_modifyitems(items):
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    reason = f"needs {', '.join(missing)} (make setup)" if missing else "needs root" if os.geteuid() else ""
    for item in items:
        if reason and "tests/netns" in str(item.path):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def _no_leftovers():
    """Aborted runs leave namespaces and processes behind: end those first."""
    sweep()


@pytest.fixture
def bed():
    """A testbed with an IPv4 underlay."""
    with Testbed() as made:
        yield made


@pytest.fixture
def bed6():
    """A testbed with an IPv6 underlay."""
    with Testbed(underlay="ipv6") as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its controllers' logs."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            for i, controller in enumerate(getattr(value, "controllers", ()) if isinstance(value, Testbed) else (), 1):
                report.sections.append((f"{name}: log of controller {i}", controller.log[-4000:]))
    return report
