"""What clients say of ports that nothing here depends on."""

from __future__ import annotations

from apps import port_extras
from tests.rest.api import Api


def test_the_state_of_the_data_plane_is_kept():
    api = Api(apps=[port_extras.app])
    port = api.make("port", network_id=api.make("network")["id"])
    path = f"/v2.0/ports/{port['id']}"
    assert port["data_plane_status"] is None
    for status in ("DOWN", "ACTIVE", None):
        assert api("PUT", path, {"port": {"data_plane_status": status}}).body["port"]["data_plane_status"] == status
    wrong = api("PUT", path, {"port": {"data_plane_status": "BROKEN"}})
    assert wrong.error[2] == "Invalid input for data_plane_status. Reason: BROKEN is not in valid_values."
    refused = api("POST", "/v2.0/ports", {"port": {"network_id": port["network_id"], "data_plane_status": "DOWN"}})
    assert refused.error[2] == "Attribute 'data_plane_status' not allowed in POST"


def test_addresses_are_given_when_a_port_is_made():
    api = Api(apps=[port_extras.app])
    port = api.make("port", network_id=api.make("network")["id"])
    assert port["ip_allocation"] == "immediate"
    assert api.get("/v2.0/ports?ip_allocation=immediate") == [port]
    assert api.get("/v2.0/ports?ip_allocation=deferred") == []
