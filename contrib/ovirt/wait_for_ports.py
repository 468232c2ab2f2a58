#!/usr/bin/python3
"""VDSM hook `after_vm_start`: a VM that waits for its vNICs goes on when they are wired, and not a moment later.

VDSM's own hook openstacknet starts such a VM paused, sleeps for 15 seconds and resumes it, wired or not.  This one goes
in its place: it asks the controller for the status of the VM's ports until all are ACTIVE, which is when every switch
has acknowledged their flows.  What it needs is in /etc/vdsm/patchbay.conf (docs/integrations/ovirt.md).

VDSM gives the VM's id in `vmId` and the name of a file with the domain's XML in `_hook_domxml`.  Exit codes are
VDSM's: 0 all is well, 1 something is not and is told on standard error; other hooks go on in both cases.

Python 3.6 and its standard library are enough.
"""

import configparser
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from xml.etree import ElementTree

CONFIG = "/etc/vdsm/patchbay.conf"
"""Or what PATCHBAY_HOOK_CONFIG in the environment says."""
RUN = "/run/vdsm"
"""Where VDSM's hook notes which VMs it paused; or what PATCHBAY_HOOK_RUN says."""
DEFAULTS = {
    "url": "http://127.0.0.1:9696",  # of the controller, without a version
    "auth_url": "",  # of identity, Keystone v2.0: http://127.0.0.1:5000/v2.0; "": no authentication
    "username": "",
    "password": "",
    "project": "",  # "": the user's own
    "ca_file": "",  # of certificates for https; "": those of the system
    "timeout": "15",  # seconds
    "on_timeout": "resume",  # or "leave": what is done with the VM then
}
PAUSE = 0.1
"""Seconds between two questions."""
ANSWER = 5
"""Seconds that an answer may take."""
UNEXPECTED = (OSError, ValueError, KeyError, TypeError, ElementTree.ParseError)
"""What bad options, another kind of server or a domain without sense may raise: a VM is not left paused for that."""


class Failed(Exception):
    """The ports are not ready in time, or never will be; or nobody can say."""


class NotYet(Exception):
    """The ports are not ready, or the controller does not answer; the text says which."""


def main() -> int:
    """The exit code."""
    vm = os.environ["vmId"]  # noqa: SIM112
    mark = os.path.join(os.environ.get("PATCHBAY_HOOK_RUN", RUN), vm, "marked_for_unpause")
    if not os.path.exists(mark):  # nobody paused the VM for its vNICs
        return 0
    options, path = DEFAULTS, os.environ.get("PATCHBAY_HOOK_CONFIG", CONFIG)
    try:
        options = read(path)
        problem = trouble(options)
    except (configparser.Error, OSError) as error:
        problem = f"{path}: {error}"
    if problem:
        sys.stderr.write(f"patchbay: VM {vm}: {problem}\n")
    if not problem or options["on_timeout"] != "leave":
        subprocess.check_call(["vdsm-client", "VM", "cont", f"vmID={vm}"], stdout=subprocess.DEVNULL)
        os.remove(mark)
    return 1 if problem else 0


def read(path: str) -> dict:
    """The options of section [patchbay] of an INI file, over the defaults."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict({"patchbay": DEFAULTS})
    with open(path) as file:
        parser.read_file(file)
    return dict(parser["patchbay"])


def trouble(options: dict) -> str:
    """Wait for the VM's ports; what is wrong ("": nothing, all are ready)."""
    try:
        ports = ports_of(os.environ["_hook_domxml"])  # noqa: SIM112
        wait(Controller(options), ports, float(options["timeout"]))
    except Failed as failed:
        return str(failed)
    except UNEXPECTED as error:
        return f"{type(error).__name__}: {error}"
    return ""


def ports_of(path: str) -> list:
    """The port ids that a domain's vNICs name (libvirt: `<virtualport type='openvswitch'>`)."""
    found = ElementTree.parse(path).findall(".//interface/virtualport[@type='openvswitch']/parameters")
    return [given.get("interfaceid") for given in found if given.get("interfaceid")]


def wait(controller: "Controller", ports: list, timeout: float) -> None:
    """Return when all ports that the controller knows are ACTIVE.  `timeout` is in seconds.  Raises Failed."""
    ends = time.monotonic() + timeout
    while ports:
        try:
            controller.require_active(ports)
        except NotYet as problem:
            if time.monotonic() + PAUSE > ends:
                raise Failed(f"{problem}, after {timeout:g} s") from None
            time.sleep(PAUSE)
        else:
            return


class Controller:
    """The controller's REST API, as far as this needs it."""

    def __init__(self, options: dict) -> None:
        self._options = options
        context = ssl.create_default_context(cafile=options["ca_file"] or None)
        handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
        self._open = urllib.request.build_opener(*handlers).open
        self._token = ""

    def require_active(self, ports: list) -> None:
        """Raises NotYet while a port is not ready, and Failed when waiting is no use.  Ports that the controller does
        not know are somebody else's."""
        query = urllib.parse.urlencode([("id", port) for port in ports] + [("fields", "id"), ("fields", "status")])
        found = self._ask(f"{self._options['url'].rstrip('/')}/v2.0/ports?{query}")["ports"]
        broken = sorted(port["id"] for port in found if port["status"] == "ERROR")
        if broken:
            raise Failed(f"the controller has a fault with port {', '.join(broken)}")
        late = sorted(port["id"] for port in found if port["status"] != "ACTIVE")
        if late:
            raise NotYet(f"port {', '.join(late)} is not ready")

    def _ask(self, url: str) -> dict:
        if self._options["auth_url"] and not self._token:
            self._token = self._sign_in()
        return self._request(url, None, {"X-Auth-Token": self._token} if self._token else {})

    def _sign_in(self) -> str:
        """A token of Keystone v2.0."""
        credentials = {"username": self._options["username"], "password": self._options["password"]}
        auth = {"passwordCredentials": credentials}
        if self._options["project"]:
            auth["tenantName"] = self._options["project"]
        answer = self._request(self._options["auth_url"].rstrip("/") + "/tokens", {"auth": auth}, {})
        return answer["access"]["token"]["id"]

    def _request(self, url: str, body: object, headers: dict) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
        try:
            with self._open(request, timeout=ANSWER) as answer:
                return json.loads(answer.read().decode())
        except urllib.error.HTTPError as error:
            problem = f"{url.partition('?')[0]} answers {error.code}"
            raise (NotYet if error.code >= 500 else Failed)(problem) from None  # 5xx: it may be well again soon
        except OSError as error:
            raise NotYet(f"{url.partition('?')[0]} does not answer ({error})") from None


if __name__ == "__main__":
    sys.exit(main())
