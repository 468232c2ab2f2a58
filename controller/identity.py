"""Who may come in, put together as the configuration says: authenticator, policy, and the built-in identity service."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from oslo_config import cfg

from controller.config import Config, ConfigError
from controller.core.accounts import TokenKey
from controller.core.plans import accounts
from controller.io.store import Store, Unavailable
from rest import auth
from rest.identity import wsgi
from rest.identity.endpoints import Endpoints
from rest.identity.passwords import Passwords, Run
from rest.identity.tokens import Tokens, new_key
from rest.policy import Default, Policy

PASSWORD = "PATCHBAY_ADMIN_PASSWORD"
"""The environment variable with the password that the first start gives the user admin."""
MOUNT = "/identity"
"""Where identity is found under REST's own port."""


class Access(NamedTuple):
    """What REST asks for each request, None where nobody is asked who they are; and the built-in identity, if any.

    `password` is that of the user admin when this start has made both, to be shown once.
    """

    authenticate: Callable[[dict[str, Any]], Any] | None = None
    policy: Policy | None = None
    identity: auth.Application | None = None
    password: str = ""


def access(
    config: Config, store: Store, rules: Iterable[Default] = (), *, scheme: str = "http", run: Run = lambda work: work()
) -> Access:
    """Put together what `[api] auth_strategy` names.  `rules` are those of extensions; `scheme` is that of REST; `run`
    calls what takes long (Passwords).  Raises ConfigError, PolicyError and what the store raises."""
    settings = config.access
    if settings.strategy == "none":
        return Access()
    policy = Policy(settings.policy_file, rules)
    if settings.strategy == "keystone":
        return Access(auth.Open(auth.Keystone(_middleware(settings.file), policy)).authenticate, policy)
    passwords = Passwords(run=run)
    password = first_start(store, passwords)
    tokens = Tokens(store.net, settings.token_lifetime)
    endpoints = Endpoints(
        settings.region, settings.network_endpoint or None, settings.identity_endpoint or None, config.rest.port, scheme
    )
    uri = settings.identity_endpoint or f"{scheme}://{settings.listen}"
    builtin = auth.BuiltIn(store, tokens, policy, uri, unavailable=Unavailable)
    identity = wsgi.application(store, tokens, passwords, endpoints, unavailable=Unavailable)
    return Access(auth.Open(builtin).authenticate, policy, identity, password)


def first_start(store: Store, passwords: Passwords) -> str:
    """Make the first key, project and user where there are none; the password, when it was made up here."""
    if store.net.count(TokenKey):
        return ""
    given = os.environ.get(PASSWORD, "")
    password = given or secrets.token_urlsafe(18)
    try:
        hashed = passwords.hash(password)
    except ValueError as error:
        raise ConfigError(f"{PASSWORD}: {error}") from None
    key, now = new_key(), int(time.time())
    made = store.execute(lambda draft: accounts.bootstrap(draft, hashed, key, now), who="controller").result
    return password if made is not None and made.admin_made and not given else ""


def _middleware(file: str | None) -> Callable[[auth.Application], auth.Application]:
    """keystonemiddleware as its section of the INI file configures it.  Raises ConfigError."""
    # Imported late: it is large, and only this strategy wants it.
    from keystoneauth1.exceptions import ClientException
    from keystonemiddleware.auth_token import AuthProtocol
    from keystonemiddleware.exceptions import ConfigurationError

    conf = cfg.ConfigOpts()
    conf(args=[], default_config_files=[] if file is None else [file], default_config_dirs=[], use_env=False)

    def wrap(application: auth.Application) -> auth.Application:
        try:
            checked: auth.Application = AuthProtocol(application, {"oslo_config_config": conf})
        except (ClientException, ConfigurationError, cfg.Error, ValueError) as error:
            raise ConfigError(f"{file}: [keystone_authtoken]: {error}") from None
        if not conf.keystone_authtoken.auth_type:
            raise ConfigError(f"{file}: [keystone_authtoken] auth_type: it must be set when auth_strategy is keystone")
        return checked

    return wrap
