"""TLS on all three listeners, with real Open vSwitch: who joins over `ssl:`, who is refused, what a restart does."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.certificates import Authority, Pair
from tests.ovs import test_command_line as command_line
from tests.ovs import test_controller as over_tcp
from tests.ovs.cloud import VLANS, Cloud, dump
from tests.ovs.controller import ROOT, Controller, free_port
from tests.ovs.sandbox import Sandbox

Ini = dict[str, dict[str, object]]


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates") / "ca")


def secured(address: str, ca: Authority, *listeners: str) -> Ini:
    """The configuration of a controller whose listeners of these names speak TLS."""
    pair = ca.signs("controller", address)
    ini: Ini = {name: {"tls_certificate": pair.certificate, "tls_key": pair.key} for name in listeners}
    for name in {"openflow", "ovsdb"} & set(listeners):
        ini[name]["tls_ca"] = ca.certificate
    return {**VLANS, **ini}


@pytest.fixture
def controller(tmp_path: Path, ca: Authority) -> Iterator[Controller]:
    """As that of the other tests, over TLS."""
    controller = Controller(tmp_path / "controller")
    controller.configure(secured(controller.address, ca, "api", "openflow", "ovsdb"))
    controller.ca = ca.certificate
    with controller:
        yield controller


@pytest.fixture
def hosts(hosts: list[Sandbox], ca: Authority) -> list[Sandbox]:
    """As those of the other tests, with certificates."""
    for number, host in enumerate(hosts, 1):
        give(host, ca.signs(f"h{number}"), ca.certificate)
    return hosts


def give(host: Sandbox, pair: Pair, ca: str) -> None:
    host.vsctl("--no-wait", "set-ssl", pair.key, pair.certificate, ca)


def connected(host: Sandbox, table: str) -> list[str]:
    """Targets of a host's managers or controllers, each with whether it is connected."""
    found = host.vsctl("--bare", "--columns=target,is_connected", "find", table)
    return sorted(" ".join(entry.split()) for entry in found.split("\n\n"))


# ---------------------------------------------------------------------------------------------------------------------
# Who joins


def test_hosts_join_over_ssl_and_are_wired(cloud: Cloud) -> None:
    controller = cloud.controller
    openflow, ovsdb = (f"ssl:{controller.address}:{controller.ports[name]}" for name in ("openflow", "ovsdb"))
    assert controller.url.startswith("https:")
    for host in cloud.hosts:
        assert host.vsctl("get-controller", "br-int") == host.vsctl("get-controller", "br-eth1") == openflow
        controller.wait(lambda h=host: connected(h, "Manager") == [f"{ovsdb} true"], "the manager")
        controller.wait(lambda h=host: connected(h, "Controller") == [f"{openflow} true"] * 2, "the controllers")
    networks = [cloud.network(), cloud.vlan(1000)]
    places = [(network, host) for network in networks for host in cloud.hosts]
    for n, (network, host) in enumerate(places):
        cloud.plug(network, host, f"tap{n}")
    for number, host in enumerate(cloud.hosts, 1):
        cloud.wait_equal(host, f"h{number}")
        cloud.wait_equal(host, f"h{number}", "br-eth1")
        assert len(dump(host)) > 20
    assert "refused" not in controller.log


def test_it_says_how_a_host_joins_over_ssl(controller: Controller) -> None:
    address, ports = controller.address, controller.ports
    assert f"REST      https://{address}:{ports['api']}/v2.0/\n" in controller.output
    assert f"OpenFlow  ssl:{address}:{ports['openflow']}\n" in controller.output
    assert f"OVSDB     ssl:{address}:{ports['ovsdb']}\n" in controller.output
    assert (
        f"  ovs-vsctl set-ssl KEY CERTIFICATE CA_CERTIFICATE\n  ovs-vsctl set-manager ssl:{address}:"
        in controller.output
    )


def test_a_host_with_much_to_tell_is_heard(cloud: Cloud) -> None:
    """Its snapshot is many TLS records, and so are the bundles that it gets."""
    controller, network, host = cloud.controller, cloud.network(), cloud.h1
    ports = [controller.make("port", network_id=network["id"]) for _ in range(150)]
    host.vsctl("del-manager")
    commands = []
    for n, port in enumerate(ports):
        ids = f"external_ids:iface-id={port['id']}"
        commands += ["--", "add-port", "br-int", f"tap{n}", "--", "set", "Interface", f"tap{n}", "type=dummy", ids]
    host.vsctl(*commands[1:])
    controller.join(host, "h1")
    for port in ports:
        cloud.wait_status(port, "ACTIVE")
    cloud.wait_equal(host, "h1")


def test_the_command_line_asks_over_https(controller: Controller, ca: Authority) -> None:
    command = [sys.executable, "-m", "controller", "hosts", "--url", controller.url]
    for trusted, code in ((ca.certificate, 0), ("/dev/null", 1)):
        environment = {**os.environ, "SSL_CERT_FILE": trusted}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
    assert "certificate verify failed" in done.stderr


def test_identity_speaks_tls_where_rest_does(tmp_path: Path, ca: Authority) -> None:
    controller = Controller(tmp_path / "controller")
    port = free_port(controller.address)
    ini = secured(controller.address, ca, "api")
    ini["api"]["auth_strategy"] = "builtin"
    controller.configure({**ini, "identity": {"listen": f"{controller.address}:{port}"}})
    with controller:
        url = f"https://{controller.address}:{port}/v3"
        assert f"Identity  {url}\n" in controller.output
        password = controller.output.partition("password ")[2].split()[0]
        user = {"name": "admin", "domain": {"id": "default"}, "password": password}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer = requests.post(f"{url}/auth/tokens", json=body, verify=ca.certificate, timeout=30)
        assert answer.status_code == 201
        urls = {endpoint["url"] for service in answer.json()["token"]["catalog"] for endpoint in service["endpoints"]}
        assert urls == {url, controller.url}
        headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
        networks = requests.get(f"{controller.url}/v2.0/networks", headers=headers, verify=ca.certificate, timeout=30)
        assert networks.json() == {"networks": []}


def test_certificates_that_ovs_pki_made(tmp_path: Path) -> None:
    """As docs/operations.md says it."""
    with Sandbox(tmp_path / "host") as host:
        pki = tmp_path / "pki"
        made = tmp_path / "made"
        made.mkdir()

        def ovs_pki(*arguments: str) -> None:
            command = ["ovs-pki", f"--dir={pki}", f"--log={tmp_path}/pki.log", *arguments]
            subprocess.run(command, cwd=made, check=True, capture_output=True, env=host.environment, timeout=60)

        ovs_pki("init")
        ovs_pki("req+sign", "controller", "controller")
        ovs_pki("req+sign", "compute1", "switch")
        files = {
            "tls_certificate": made / "controller-cert.pem",
            "tls_key": made / "controller-privkey.pem",
            "tls_ca": pki / "switchca" / "cacert.pem",
        }
        with Controller(tmp_path / "controller", {"openflow": files, "ovsdb": files}) as controller:
            pair = Pair(str(made / "compute1-cert.pem"), str(made / "compute1-privkey.pem"))
            give(host, pair, str(pki / "controllerca" / "cacert.pem"))
            controller.join(host, "compute1")
            assert host.vsctl("get-controller", "br-int") == controller.target("openflow")
            assert controller.target("openflow").startswith("ssl:")


# ---------------------------------------------------------------------------------------------------------------------
# Who does not


def test_a_host_with_a_strangers_certificate_is_refused(
    tmp_path: Path, controller: Controller, hosts: list[Sandbox], ca: Authority
) -> None:
    stranger, host = hosts
    give(stranger, Authority(tmp_path / "other").signs("h1"), ca.certificate)
    stranger.vsctl("--no-wait", "set-manager", controller.target("ovsdb"))
    stranger.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy")
    stranger.vsctl("--no-wait", "set-controller", "br0", controller.target("openflow"))
    for name in ("OVSDB", "OpenFlow"):
        line = f"{name} connection of ssl:127.0.0.1:"
        controller.wait(lambda text=line: text in controller.log, f"{name} to refuse")
    refused = [line for line in controller.log.splitlines() if "refused" in line]
    assert all("its certificate is not accepted: unable to get local issuer certificate" in line for line in refused)
    controller.join(host, "h2")
    assert [known["name"] for known in controller.look("hosts")] == ["h2"]
    assert "br-int" not in stranger.vsctl("list-br")


@pytest.mark.parametrize("name", ["openflow", "ovsdb"])
def test_a_peer_without_a_certificate_is_refused(controller: Controller, ca: Authority, name: str) -> None:
    """Open vSwitch itself does not even try without one."""
    context = ssl.create_default_context(cafile=ca.certificate)
    with (
        socket.create_connection((controller.address, controller.ports[name])) as sock,
        context.wrap_socket(sock, server_hostname=controller.address) as peer,
        pytest.raises(ssl.SSLError, match="certificate required"),
    ):
        peer.recv(1)
    controller.wait(lambda: "refused: it shows no certificate" in controller.log, "the log")


def test_a_host_that_comes_by_tcp_is_refused(controller: Controller, hosts: list[Sandbox]) -> None:
    hosts[0].vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy")
    for command in (("set-controller", "br0"), ("set-manager",)):
        port = controller.ports["openflow" if "br0" in command else "ovsdb"]
        hosts[0].vsctl("--no-wait", *command, f"tcp:{controller.address}:{port}")
    for name in ("OpenFlow", "OVSDB"):
        lines = (f"{name} connection of ssl:127.0.0.1:", "refused: it does not speak TLS")
        controller.wait(lambda t=lines: any(all(s in n for s in t) for n in controller.log.splitlines()), name)
    assert controller.look("hosts") == []


def test_silent_connections_keep_nobody_from_joining(controller: Controller, hosts: list[Sandbox]) -> None:
    silent = [
        socket.create_connection((controller.address, port)) for port in controller.ports.values() for _ in range(100)
    ]
    controller.join(hosts[0], "h1")
    assert [host["name"] for host in controller.look("hosts")] == ["h1"]
    for sock in silent:
        sock.settimeout(15)
        assert sock.recv(1) == b""
        sock.close()
    told = "refused: no TLS handshake in 10 s"
    controller.wait(lambda: controller.log.count(told) == len(silent), "the log to tell of each")
    controller.join(hosts[1], "h2")


@pytest.mark.parametrize("name", ["api", "openflow", "ovsdb"])
def test_peers_that_break_tls_are_told_in_a_line(controller: Controller, ca: Authority, name: str) -> None:
    """Junk between records, half a request and no end of it, resets at every moment: then it goes on as before."""
    where = (controller.address, controller.ports[name])
    context = ssl.create_default_context(cafile=ca.certificate)
    context.load_cert_chain(*ca.signs("h1"))
    for start in (b"", b"GET /v2.0/net"):
        for junk in (b"", b"\x17\x03\x03\x00\x40" + b"j" * 64, b"\x17\x03\x03\x00\x40" + b"j"):
            for linger in (struct.pack("ii", 0, 0), struct.pack("ii", 1, 0)):
                peer = context.wrap_socket(socket.create_connection(where), server_hostname=controller.address)
                peer.sendall(start)
                with socket.socket(fileno=peer.detach()) as plain:
                    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    plain.sendall(junk)
    for _ in range(50):
        with socket.create_connection(where) as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    controller.wait(lambda: "refused: it closed the connection" in controller.log, "the log")
    time.sleep(0.5)
    assert "Traceback" not in controller.log
    assert controller.rest("GET", "/v2.0/networks") == {"networks": []}


@pytest.mark.parametrize("name", ["api", "openflow", "ovsdb"])
def test_files_it_can_not_start_with_are_told(tmp_path: Path, ca: Authority, name: str) -> None:
    controller = Controller(tmp_path / "controller")
    ini = secured(controller.address, ca, "api", "openflow", "ovsdb")
    ini[name]["tls_key"] = key = ca.signs("other").key
    controller.configure(ini)
    certificate = ini[name]["tls_certificate"]
    line = command_line.refused(controller)
    assert line == f"patchbay: [{name}] tls_key: {key}: it is not the key of {certificate}"


# ---------------------------------------------------------------------------------------------------------------------
# Restarts


def test_a_new_controller_after_kill_9_changes_nothing_over_ssl(cloud: Cloud) -> None:
    over_tcp.test_a_new_controller_after_kill_9_changes_nothing(cloud)


def test_it_ends_cleanly_while_hosts_are_connected_over_ssl(cloud: Cloud) -> None:
    command_line.test_sigterm_ends_it_cleanly_while_hosts_are_connected(cloud)


def test_hosts_move_from_tcp_to_ssl_and_keep_their_flows(tmp_path: Path, hosts: list[Sandbox], ca: Authority) -> None:
    """TLS is turned on; a host whose managers are both gets its bridges' new controllers at once."""
    with Controller(tmp_path / "controller", VLANS) as controller:
        cloud = Cloud(controller, hosts)
        cloud.plug(cloud.network(), cloud.h1, "tap1")
        cloud.wait_equal(cloud.h1, "h1")
        before = controller.target("ovsdb")
        assert cloud.h1.vsctl("get-controller", "br-int").startswith("tcp:")
        for host in hosts:
            host.vsctl("--no-wait", "set-manager", before, before.replace("tcp:", "ssl:"))
        monitors = [over_tcp.watch(host, bridge)[1] for host in hosts for bridge in ("br-int", "br-eth1")]
        controller.kill9()
        controller.configure(secured(controller.address, ca, "openflow", "ovsdb"))
        controller.start()
        for number, host in enumerate(hosts, 1):
            controller.wait(lambda n=number: controller.settled(f"h{n}", "br-int", "br-eth1"), "the hosts to come back")
            for bridge in ("br-int", "br-eth1"):
                assert host.vsctl("get-controller", bridge) == controller.target("openflow")
            cloud.wait_equal(host, f"h{number}")
        for told in monitors:
            assert "event=" not in told()
