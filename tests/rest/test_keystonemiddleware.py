"""`auth_strategy = keystone`, end to end: the real keystonemiddleware asks a Keystone (ours) over HTTP."""

from __future__ import annotations

import threading
import time
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from webob import Request

from controller import identity
from controller.config import ConfigError, load
from controller.core.settings import Settings
from controller.io.store import Store, Unavailable
from rest.wsgi import application
from tests.rest.keystone import SECRET


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(keystone):
    """The URL of a Keystone on loopback, and how to stop it.  Its clock is the wall's: the middleware has no other."""
    keystone.now = time.time()
    asked = []

    def counted(environ, start_response):
        asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        return keystone.application(environ, start_response)

    server = make_server("127.0.0.1", 0, counted, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop():
        server.shutdown()
        thread.join()
        server.server_close()

    yield f"http://127.0.0.1:{server.server_port}", asked, stop
    stop()


INI = """
[api]
auth_strategy = keystone
[keystone_authtoken]
www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
username = neutron
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
http_request_max_retries = 0
service_token_roles = service
"""


class Api:
    """The network API with that configuration."""

    def __init__(self, tmp_path, text):
        path = tmp_path / "patchbay.ini"
        path.write_text(text)
        self.store = Store("sqlite://", Settings())
        access = identity.access(load(str(path), {}), self.store)
        assert access.identity is None
        self.application = application(
            self.store,
            Settings(),
            authenticate=access.authenticate,
            policy=access.policy,
            unavailable=Unavailable,
        )

    def __call__(self, method, path, body=None, **headers):
        request = Request.blank(path, method=method)
        if body is not None:
            request.json = body
        request.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return request.get_response(self.application)


@pytest.fixture
def api(tmp_path, keystone, served):
    user = keystone.make("user", name="neutron", password=SECRET)
    (project,) = keystone("GET", "/v3/projects?name=service", token=keystone.token()).body["projects"]
    keystone.grant(user["id"], project["id"], "service")
    return Api(tmp_path, INI.format(url=served[0], password=SECRET))


def test_a_token_of_that_keystone_makes_a_network_in_its_project(api, keystone, served):
    _, project = keystone.member()
    token = keystone.token("ann", project="ann")
    made = api("POST", "/v2.0/networks", {"network": {"name": "n"}}, X_Auth_Token=token)
    assert made.status_int == 201, made.text
    assert made.json["network"]["project_id"] == project["id"]
    refused = api("POST", "/v2.0/networks", {"network": {"provider:network_type": "vxlan"}}, X_Auth_Token=token)
    assert refused.status_int == 403
    assert refused.json["NeutronError"]["type"] == "PolicyNotAuthorized"
    admin = keystone.token()
    assert len(api("GET", "/v2.0/networks", X_Auth_Token=admin).json["networks"]) == 1
    keystone.member("bob")
    assert api("GET", "/v2.0/networks", X_Auth_Token=keystone.token("bob", project="bob")).json["networks"] == []
    validated = [call for call in served[1] if call == ("GET", "/v3/auth/tokens")]
    assert len(validated) == 3, "each token is asked about once"


def test_without_a_good_token_it_is_401_with_the_way_to_keystone(api, served):
    for headers in ({}, {"X_Auth_Token": "nonsense"}, {"X_Roles": "admin", "X_Identity_Status": "Confirmed"}):
        reply = api("GET", "/v2.0/networks", **headers)
        assert reply.status_int == 401
        assert reply.content_type == "application/json"
        message = "The request you have made requires authentication."
        assert reply.json == {"error": {"code": 401, "title": "Unauthorized", "message": message}}
        assert reply.headers["WWW-Authenticate"] == f'Keystone uri="{served[0]}"'
    assert api("GET", "/").status_int == 200
    assert api("GET", "/v2.0/").status_int == 200


@pytest.mark.parametrize("name", ["X-Auth-Token", "X-Service-Token"])
@pytest.mark.parametrize(
    "text", ["\xff\xfe", "\x00", "\x01\x7f", " ", "a b", "a\tb", "x" * 8000, "%s", "../x?y#z", "\u00e4"]
)
def test_a_token_may_be_anything(api, keystone, name, text):
    headers = {"X-Auth-Token": keystone.token(), name: text}
    environ = Request.blank("/v2.0/networks").environ
    environ |= {f"HTTP_{key.replace('-', '_').upper()}": value for key, value in headers.items()}
    reply = Request(environ).get_response(api.application)
    assert (reply.status_int, reply.json["error"]["code"]) == (401, 401)


def test_headers_of_the_client_are_not_believed(api, keystone):
    _, project = keystone.member()
    token = keystone.token("ann", project="ann")
    claims = {"X_Roles": "admin", "X_Project_Id": "other", "X_Service_Roles": "service"}
    made = api("POST", "/v2.0/networks", {"network": {}}, X_Auth_Token=token, **claims)
    assert made.json["network"]["project_id"] == project["id"]
    assert api("POST", "/v2.0/networks", {"network": {"shared": True}}, X_Auth_Token=token, **claims).status_int == 403


def test_a_keystone_that_is_away_is_503(api, keystone, served):
    token = keystone.token()
    served[2]()
    reply = api("GET", "/v2.0/networks", X_Auth_Token=token)
    assert reply.status_int == 503
    assert reply.headers["Retry-After"] == "5"
    assert reply.json["error"]["code"] == 503


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("", "auth_type: it must be set"),
        ("[keystone_authtoken]\nauth_type = nonsense\n", "nonsense"),
        ("[keystone_authtoken]\nauth_type = password\n", "auth_url"),
        (
            "[keystone_authtoken]\nauth_type = password\nauth_url = http://k\nhttp_connect_timeout = soon\n",
            "http_connect_timeout",
        ),
    ],
)
def test_a_section_that_can_not_be_used_keeps_us_from_starting(tmp_path, section, problem):
    with pytest.raises(ConfigError) as raised:
        Api(tmp_path, f"[api]\nauth_strategy = keystone\n{section}")
    assert "[keystone_authtoken]" in str(raised.value) and problem in str(raised.value)
    assert "\n" not in str(raised.value)
