"""Lists: filters, fields, order, pages and what a list costs."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from controller.core.model import Binding, Fault, Host, Network, Port
from controller.core.resources import declare
from rest.views import Views


@pytest.fixture
def cloud(api):
    """Three networks, two of them with ports, by name."""
    api.made = {}
    for name, values in {
        "a": {"shared": True, "description": "x"},
        "b": {"admin_state_up": False, "provider__network_type": "vlan"},
        "c": {"mtu": 1400, "tenant_id": "p1"},
    }.items():
        api.made[name] = api.make("network", name=name, **values)
    a, b = api.made["a"]["id"], api.made["b"]["id"]
    api.made["s"] = api.make("subnet", network_id=a, cidr="10.0.0.0/24", ip_version=4, name="s")
    api.made["p"] = api.make("port", network_id=a, name="p", device_id="d1", device_owner="compute:nova")
    api.made["q"] = api.make("port", network_id=a, name="q", device_id="d2", mac_address="56:6f:1a:2b:00:01")
    api.made["r"] = api.make("port", network_id=b, name="r", binding__host_id="h1")
    return api


def names(api, path):
    return [item["name"] for item in api.get(path)]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("networks?shared=True", "a"),
        ("networks?shared=false", "bc"),
        ("networks?admin_state_up=0", "b"),
        ("networks?name=a&name=c", "ac"),
        ("networks?name=a&shared=False", ""),
        ("networks?mtu=1400", "c"),
        ("networks?description=", "bc"),
        ("networks?status=ACTIVE", "abc"),
        ("networks?provider:network_type=vlan", "b"),
        ("networks?provider%3Asegmentation_id=100", "b"),
        ("networks?router%3Aexternal=True", ""),
        ("networks?project_id=p1", "c"),
        ("networks?tenant_id=p1", "c"),
        ("networks?id={a}&id={b}&id=nope", "ab"),
        ("networks?id={a}&name=b", ""),
        ("subnets?network_id={a}", "s"),
        ("subnets?ip_version=4&cidr=10.0.0.0/24", "s"),
        ("subnets?gateway_ip=10.0.0.1", "s"),
        ("ports?network_id={a}", "pq"),
        ("ports?network_id={a}&network_id={b}", "pqr"),
        ("ports?device_id=d1&device_id=d2", "pq"),
        ("ports?device_owner=compute:nova", "p"),
        ("ports?mac_address=56-6F-1A-2B-00-01", "q"),
        ("ports?binding:host_id=h1", "r"),
        ("ports?binding:vif_type=unbound", "pq"),
        ("ports?fixed_ips=ip_address%3D10.0.0.2", "p"),
        ("ports?fixed_ips=ip_address=10.0.0.2&fixed_ips=ip_address=10.0.0.3", "pq"),
        ("ports?fixed_ips=subnet_id={s}", "pq"),
        ("ports?fixed_ips=subnet_id={s}&fixed_ips=ip_address=10.0.0.3", "q"),
        ("ports?fixed_ips=ip_address=10.0.0.99", ""),
        ("ports?fixed_ips=ip_address_substr=0.0.3", "q"),
        ("ports?status=ACTIVE", ""),
    ],
)
def test_filters(cloud, path, found):
    ids = {name: made["id"] for name, made in cloud.made.items()}
    assert sorted(names(cloud, "/v2.0/" + path.format(**ids))) == list(found)


@pytest.mark.parametrize(
    ("path", "type", "message"),
    [
        ("networks?unknown=1&shared=x", "HTTPBadRequest", "['unknown'] is invalid attribute for filtering"),
        ("networks?subnets=x", "HTTPBadRequest", "['subnets'] is invalid attribute for filtering"),
        (
            "networks?shared=maybe",
            "InvalidInput",
            "Invalid input for operation: 'maybe' cannot be converted to boolean.",
        ),
        ("networks?mtu=big", "InvalidInput", "Invalid input for operation: 'big' is not an integer."),
        (
            "ports?fixed_ips=10.0.0.1",
            "InvalidInput",
            "Invalid input for operation: '10.0.0.1' is not of the form <key>=[value].",
        ),
        ("ports?fixed_ips=mac=1", "HTTPBadRequest", "['fixed_ips=mac'] is invalid attribute for filtering"),
        ("networks?sort_key=name", "HTTPBadRequest", "The number of sort_keys and sort_dirs must be same"),
        (
            "networks?sort_key=x&sort_dir=asc",
            "HTTPBadRequest",
            "['x'] is invalid attribute for sort_keys",
        ),
        (
            "networks?sort_key=name&sort_dir=up",
            "HTTPBadRequest",
            "['up'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'",
        ),
        (
            "networks?limit=-1",
            "BadRequest",
            "Bad limit request: Limit must be an integer 0 or greater and not '-1'.",
        ),
    ],
)
def test_refused(cloud, path, type, message):
    assert cloud("GET", "/v2.0/" + path).error == (400, type, message)


def test_fields(cloud):
    assert cloud.get("/v2.0/networks?fields=name&fields=mtu&name=c") == [{"name": "c", "mtu": 1400}]
    port = cloud.made["p"]
    assert cloud.get(f"/v2.0/ports/{port['id']}?fields=binding:vif_type") == {"binding:vif_type": "unbound"}
    assert cloud.get("/v2.0/networks?fields=tenant_id&name=c") == [{"tenant_id": "p1"}]


def test_order(cloud):
    assert names(cloud, "/v2.0/networks?sort_key=name&sort_dir=desc") == ["c", "b", "a"]
    assert names(cloud, "/v2.0/networks?sort_key=shared&sort_dir=desc&sort_key=name&sort_dir=desc") == ["a", "c", "b"]
    assert names(cloud, "/v2.0/networks?sort_key=provider:segmentation_id&sort_dir=asc&sort_key=name&sort_dir=asc")[
        :2
    ] == ["a", "c"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_pages_follow_each_other_both_ways(cloud, limit):
    """Following `next` gives every row once, in order; following `previous` from the end gives them back."""
    path = f"/v2.0/networks?sort_key=name&sort_dir=asc&limit={limit}"
    forth, back = [], []
    for rel, seen, start in (("next", forth, path), ("previous", back, path + "&page_reverse=True")):
        at = start
        while at:
            body = cloud("GET", at).body
            seen.append([network["name"] for network in body["networks"]])
            links = {link["rel"]: urlsplit(link["href"]) for link in body.get("networks_links", [])}
            at = f"{links[rel].path}?{links[rel].query}" if rel in links else None
    assert [name for page in forth for name in page] == ["a", "b", "c"]
    assert [name for page in reversed(back) for name in page] == ["a", "b", "c"]
    assert all(len(page) <= limit for page in forth + back)


def test_an_unknown_marker_is_404(cloud):
    assert cloud("GET", "/v2.0/networks?limit=1&marker=nope").error[:2] == (404, "NetworkNotFound")


def test_no_read_runs_sql(cloud):
    before = cloud.store.statements
    for collection in ("networks", "subnets", "ports"):
        for item in cloud.get(f"/v2.0/{collection}"):
            cloud.get(f"/v2.0/{collection}/{item['id']}")
    assert cloud.store.statements == before


def test_a_list_makes_each_view_once_and_again_only_for_what_changed(api):
    resources = declare(api.store.settings)
    resource, net = resources.at("ports"), api.store.net
    network = api.make("network")["id"]
    api.make("subnet", network_id=network, cidr="10.0.0.0/16", ip_version=4)
    for _ in range(5):
        assert api("POST", "/v2.0/ports", {"ports": [{"network_id": network}] * 100}).status == 201
    views = Views(net, resources)
    api.store.subscribe(views.forget)
    for expected in (500, 500):
        ports = list(net.all(Port))
        assert len([views.view(resource, port).text for port in ports]) == 500
        assert views.made == expected
    changed = api("PUT", f"/v2.0/ports/{ports[7].id}", {"port": {"name": "other"}})
    assert changed.status == 200
    assert [views.view(resource, port).value["name"] for port in net.all(Port)].count("other") == 1
    assert views.made == 501


def test_a_view_follows_every_row_that_it_shows(api):
    """A port's status, fault and host are other rows' doing; a network's segment and subnets, too."""
    network = api.make("network")["id"]
    port = api.make("port", network_id=network, binding__host_id="h1")["id"]
    assert api.get(f"/v2.0/ports/{port}")["binding:vif_details"]["datapath_type"] == "system"
    api.store.execute(lambda draft: draft.put(Host("h1", datapath_type="netdev")), who="t")
    assert api.get(f"/v2.0/ports/{port}")["binding:vif_details"]["datapath_type"] == "netdev"
    api.store.execute(lambda draft: draft.put(Binding(port, network, "h1", active=True)), who="t")
    assert api.get(f"/v2.0/ports/{port}")["status"] == "ACTIVE"
    api.store.execute(lambda draft: draft.put(Fault("Port", port, "broken")), who="t")
    assert api.get(f"/v2.0/ports/{port}")["status"] == "ERROR"
    assert api.get(f"/v2.0/networks/{network}")["subnets"] == []
    subnet = api.make("subnet", network_id=network, cidr="10.0.0.0/16", ip_version=4)["id"]
    assert api.get(f"/v2.0/networks/{network}")["subnets"] == [subnet]


def test_views_of_removed_rows_do_not_pile_up(api):
    resources = declare(api.store.settings)
    resource, views = resources.at("networks"), Views(api.store.net, resources)
    api.store.subscribe(views.forget)
    for _ in range(20):
        made = api.store.execute(lambda draft: resource.create(draft, {"network_type": "local"}), who="t").result
        views.view(resource, made)
        api.store.execute(lambda draft, made=made: resource.delete(draft, made.id), who="t")
    assert views.made == 20
    assert not views._kept[Network]
