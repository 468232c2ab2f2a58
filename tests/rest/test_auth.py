"""Who a request is from: the three ways to find out."""

from __future__ import annotations

import pytest

from controller.core.caller import Caller
from controller.core.plan import Refusal
from controller.core.plans import accounts
from controller.io.store import Unavailable
from rest.auth import BuiltIn, IdentityUnavailable, Keystone, Open, Trusting, Unauthorized, is_public
from rest.policy import Policy
from tests.rest.keystone import HOUR

URI = "http://127.0.0.1:5000"


def asking(token="", **more):
    return {"REQUEST_METHOD": "GET", "PATH_INFO": "/v2.0/networks", "HTTP_X_AUTH_TOKEN": token, **more}


class Counting:
    """Tokens that counts how often one is read."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.reads = 0

    def read(self, text):
        self.reads += 1
        return self.tokens.read(text)


@pytest.fixture
def reading(keystone):
    return Counting(keystone.tokens)


@pytest.fixture
def builtin(keystone, reading):
    return BuiltIn(keystone.store, reading, Policy(), URI, unavailable=Unavailable, clock=keystone.clock)


def refused(authenticator, environ):
    with pytest.raises(Unauthorized) as raised:
        authenticator.authenticate(environ)
    return raised.value


# -- none -------------------------------------------------------------------------------------------------------------


def test_without_authentication_everybody_is_admin_of_the_project_that_is_said():
    trusting = Trusting()
    assert trusting.authenticate({}) == Caller(is_admin=True)
    assert trusting.authenticate({"HTTP_X_PROJECT_ID": "p"}) == Caller(project_id="p", is_admin=True)
    assert trusting.authenticate({"HTTP_X_TENANT_ID": "t"}) == Caller(project_id="t", is_admin=True)
    with pytest.raises(Refusal, match="project_id"):
        trusting.authenticate({"HTTP_X_PROJECT_ID": "x" * 256})


def test_without_authentication_no_other_header_is_believed():
    claims = {"HTTP_X_ROLES": "reader", "HTTP_X_USER_ID": "mallory", "HTTP_X_IS_ADMIN": "False"}
    assert Trusting().authenticate(claims | {"HTTP_X_PROJECT_ID": "p"}) == Caller(project_id="p", is_admin=True)


# -- builtin ----------------------------------------------------------------------------------------------------------


def test_a_tokens_caller_has_its_user_project_and_roles(keystone, builtin):
    user, project = keystone.member()
    token = keystone.token("ann", project="ann")
    assert builtin.authenticate(asking(token)) == Caller(user["id"], project["id"], frozenset({"member", "reader"}))
    admin = builtin.authenticate(asking(keystone.token()))
    assert admin.is_admin and admin.roles == {"admin", "manager", "member", "reader"}


def test_headers_of_the_client_are_not_believed(keystone, builtin):
    user, project = keystone.member()
    claims = {"HTTP_X_ROLES": "admin", "HTTP_X_PROJECT_ID": "other", "HTTP_X_USER_ID": "x", "HTTP_X_SERVICE_ROLES": "a"}
    caller = builtin.authenticate(asking(keystone.token("ann", project="ann"), **claims))
    assert caller == Caller(user["id"], project["id"], frozenset({"member", "reader"}))
    assert refused(builtin, asking(**claims)).status == 401


def test_an_unscoped_token_is_nobody_in_particular(keystone, builtin):
    user, _ = keystone.member()
    assert builtin.authenticate(asking(keystone.token("ann", project=None))) == Caller(user["id"])


def test_no_token_or_a_bad_one_is_401_in_keystones_form(builtin, keystone):
    for token in ("", "nonsense", keystone.token()[:-3] + "xx=", "\u00e9"):
        error = refused(builtin, asking(token))
        message = "The request you have made requires authentication."
        assert error.document() == {"error": {"code": 401, "title": "Unauthorized", "message": message}}
        assert error.headers == {"WWW-Authenticate": f'Keystone uri="{URI}"'}


def test_a_token_is_read_once(keystone, builtin, reading):
    token = keystone.token()
    statements = keystone.store.statements
    callers = {id(builtin.authenticate(asking(token))) for _ in range(1000)}
    assert len(callers) == 1
    assert reading.reads == 1
    assert keystone.store.statements - statements == 2  # BEGIN and the head of the journal: once a second at most


def test_other_processes_are_followed_once_a_second(keystone, builtin):
    token = keystone.token()
    builtin.authenticate(asking(token))
    statements = keystone.store.statements
    for _ in range(10):
        keystone.now += 0.5
        builtin.authenticate(asking(token))
    assert keystone.store.statements - statements == 5 * 2


def test_without_the_database_tokens_still_count(keystone, builtin, monkeypatch):
    token = keystone.token()

    def lost():
        raise Unavailable("gone")

    monkeypatch.setattr(keystone.store, "catch_up", lost)
    assert builtin.authenticate(asking(token)).is_admin


def test_a_known_token_ends_on_time(keystone, builtin):
    token = keystone.token()
    assert builtin.authenticate(asking(token))
    keystone.now += HOUR - 1
    assert builtin.authenticate(asking(token))
    keystone.now += 1
    assert refused(builtin, asking(token))


def test_a_known_token_follows_what_happens_to_its_user(keystone, builtin):
    user, project = keystone.member()
    token = keystone.token("ann", project="ann")
    admin = keystone.token()
    assert "member" in builtin.authenticate(asking(token)).roles
    keystone.grant(user["id"], project["id"], "manager")
    assert "manager" in builtin.authenticate(asking(token)).roles
    for role in ("manager", "member"):
        path = f"/v3/projects/{project['id']}/users/{user['id']}/roles/{role}"
        assert keystone("DELETE", path, token=admin).status == 204
    assert refused(builtin, asking(token))
    keystone.grant(user["id"], project["id"], "reader")
    assert builtin.authenticate(asking(token)).roles == {"reader"}
    assert keystone("DELETE", "/v3/auth/tokens", token=admin, X_Subject_Token=token).status == 204
    assert refused(builtin, asking(token))


def test_a_change_of_networks_forgets_no_token(keystone, builtin, reading):
    token = keystone.token()
    builtin.authenticate(asking(token))
    keystone.store.execute(lambda draft: accounts.create_project(draft, {"name": "x"}), who="test")
    builtin.authenticate(asking(token))
    assert reading.reads == 2
    from controller.core.model import Sequence

    keystone.store.execute(lambda draft: draft.put(Sequence("x", 1)), who="test")
    builtin.authenticate(asking(token))
    assert reading.reads == 2


def test_a_service_vouches_with_its_own_token(keystone, builtin):
    keystone.member("ann")
    keystone.member("nova", role="service")
    ann, nova = keystone.token("ann", project="ann"), keystone.token("nova", project="nova")
    caller = builtin.authenticate(asking(ann, HTTP_X_SERVICE_TOKEN=nova))
    assert caller.roles == {"member", "reader"}
    assert caller.service_roles == {"service"}
    assert refused(builtin, asking(ann, HTTP_X_SERVICE_TOKEN="bad"))
    assert builtin.authenticate(asking(ann)).service_roles == frozenset()


def test_who_is_admin_is_policys_to_say(keystone, tmp_path):
    now = [0.0]
    file = tmp_path / "policy.yaml"
    file.write_text("context_is_admin: role:member\n")
    policy = Policy(str(file), clock=lambda: now[0])
    builtin = BuiltIn(keystone.store, keystone.tokens, policy, URI, clock=keystone.clock)
    keystone.member()
    token = keystone.token("ann", project="ann")
    assert builtin.authenticate(asking(token)).is_admin
    file.write_text("context_is_admin: role:admin or role:nobody\n")
    now[0] += 2
    assert not builtin.authenticate(asking(token)).is_admin


# -- keystone (the middleware itself: test_keystonemiddleware.py) -----------------------------------------------------


def middleware(status, **told):
    """A middleware that answers with a status itself, or passes what it says on."""

    def wrap(application):
        def checked(environ, start_response):
            if status:
                start_response(status, [("WWW-Authenticate", "Keystone uri=x"), ("Content-Type", "text/html")])
                return [b"..."]
            return application(environ | told, start_response)

        return checked

    return wrap


def test_the_middlewares_word_counts():
    told = {"HTTP_X_IDENTITY_STATUS": "Confirmed", "HTTP_X_USER_ID": "u", "HTTP_X_PROJECT_ID": "p"}
    told |= {"HTTP_X_ROLES": "Member,reader, ", "HTTP_X_SERVICE_ROLES": "service"}
    caller = Keystone(middleware("", **told), Policy()).authenticate(asking("t"))
    assert caller == Caller("u", "p", frozenset({"member", "reader"}), False, frozenset({"service"}))
    told["HTTP_X_ROLES"] = "Admin"
    assert Keystone(middleware("", **told), Policy()).authenticate(asking("t")).is_admin


def test_the_middleware_refuses_or_can_not_ask():
    assert refused(Keystone(middleware("401 Unauthorized"), Policy()), asking()).headers == {
        "WWW-Authenticate": "Keystone uri=x"
    }
    assert refused(Keystone(middleware("", HTTP_X_IDENTITY_STATUS="Invalid"), Policy()), asking()).status == 401
    error = refused(Keystone(middleware("503 Away"), Policy()), asking())
    assert isinstance(error, IdentityUnavailable)
    assert (error.status, error.headers) == (503, {"Retry-After": "5"})
    assert error.document()["error"]["code"] == 503


def test_what_everybody_may_see():
    assert all(map(is_public, ("/", "/v1.0", "/v1.1/", "/v2.0", "/v2.0/", "/healthcheck")))
    assert not any(
        map(
            is_public, ("/v2.0/networks", "/v1.0/extensions", "/v2.0/extensions", "/patchbay/v1/hosts", "/v2.0//", "//")
        )
    )


def test_public_paths_are_anybodys(builtin):
    authenticator = Open(builtin)
    assert authenticator.authenticate({"PATH_INFO": "/v2.0/"}) == Caller()
    assert refused(authenticator, asking()).status == 401
