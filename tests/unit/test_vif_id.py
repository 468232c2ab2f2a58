"""By what an interface's external_ids its VIF is known: as Nova, libvirt and XenServer write them."""

from __future__ import annotations

import pytest

from controller.io.ovsdb.view import vif_id

GIVEN, XAPIS, PORT = "11111111-0000", "22222222-0000", "33333333-0000"


@pytest.mark.parametrize(
    ("ids", "known_as"),
    [
        ({}, ""),
        ({"iface-id": PORT}, PORT),
        ({"xs-vif-uuid": XAPIS}, XAPIS),
        ({"nicira-iface-id": PORT}, PORT),
        ({"iface-id": XAPIS, "xs-vif-uuid": XAPIS}, XAPIS),
        ({"iface-id": PORT, "xs-vif-uuid": XAPIS}, PORT),
        ({"nicira-iface-id": PORT, "xs-vif-uuid": XAPIS}, PORT),
        ({"iface-id": XAPIS, "xs-vif-uuid": XAPIS, "nicira-iface-id": PORT}, PORT),
        ({"iface-id": PORT, "xs-vif-uuid": XAPIS, "nicira-iface-id": GIVEN}, PORT),
        ({"iface-id": "", "xs-vif-uuid": XAPIS}, XAPIS),
        ({"iface-id": "", "xs-vif-uuid": "", "nicira-iface-id": ""}, ""),
    ],
)
def test_a_name_that_was_given_goes_before_xapis_own(ids, known_as):
    assert vif_id(ids) == known_as
