"""`patchbay import`: what a database of Neutron or Quantum would become here, and, when it is wanted, that."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from controller import config_neutron
from controller.config import Config, ConfigError, load, parse, taken
from controller.core import app
from controller.core.plan import Draft, Refusal
from controller.core.plans import once
from controller.core.row import KINDS
from controller.io.store import Store, StoreError, Unavailable, engines
from controller.look import table
from controller.takeover import quantum_v1
from controller.takeover.claims import Taken, take
from controller.takeover.gathered import Clash, Gathered
from controller.takeover.neutron import Networks
from controller.takeover.neutron_policies import Policies, count_left_out
from controller.takeover.source import QUANTUM_V1, Source, Unreadable

BATCH = 500
"""Rows of one transaction: large enough to be quick, and small enough for any server to take the journal's entry."""
SHOWN = 20
"""Clashes of one rule's kind that are printed; the rest is counted."""


class Clashes(Exception):
    """Something clashed that did not before: the database was written to meanwhile."""


def take_over(options: argparse.Namespace) -> int:
    """Print what would be taken over, and take it over with `--apply`.  Returns 0 when that is, or was, done; 1 when
    something clashes, or the database is lost; 2 when the configuration or a database can't be used."""
    try:
        config, url = _configuration(options)
        if not url:
            return 0
        apps = app.load()
        source = Source(url)
        try:
            found = gathered(source, config, options.physical_network)
        finally:
            source.close()
        store = Store(_target(config, options.apply), config.settings)
    except (ConfigError, Unreadable, StoreError) as error:
        print(f"patchbay: {error}", file=sys.stderr)
        return 2
    try:
        print(f"{source.name}: {source.kind}")
        if options.apply:
            store.execute(partial(once.run, apps), who=_who())
        return _carry_out(store, found, apps, options.apply)
    except (Clashes, Refusal, Unavailable) as error:
        print(f"patchbay: {error}", file=sys.stderr)
        return 1
    finally:
        store.close()


def _configuration(options: argparse.Namespace) -> tuple[Config, str]:
    """Ours, and the URL of the database to import from ("" where only files are to be read), with what there is to say
    about files of others.  Raises ConfigError."""
    overrides = {"database": options.database}
    if not options.neutron_config:
        config = load(options.config, overrides)
        print(*config.notes, sep="\n", end="\n" if config.notes else "")
        return config, options.source or config.database
    files = {path: parse(path) for path in options.neutron_config}
    try:
        found = config_neutron.read(files)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    config = taken(None, found, overrides)
    print(*config.notes, "", "In patchbay.ini this is:", "", config_neutron.ini(found), "", sep="\n")
    if options.config:
        config = load(options.config, overrides)
    return config, options.source or config_neutron.source(files)


def gathered(source: Source, config: Config, physical_network: str = "") -> Gathered:
    """What is in a source, as rows.  `physical_network` is where the VLANs of Quantum v1 are ("": the first that is
    configured)."""
    found, settings = Gathered(), config.settings
    if source.kind == QUANTUM_V1:
        known = [name for name, _ in settings.vlan_ranges]
        quantum_v1.gather(source, settings, physical_network or (known or ["physnet1"])[0], found)
    else:
        policies = Policies(source, found)
        policies.pools()
        Networks(source, settings, found).gather()
        policies.rest()
        count_left_out(source, found)
    for name, rows in source.passed_over().items():
        found.leave_out(f"rows of the table {name}", rows)
    _note_unknown_physical_networks(config, found)
    return found


def _note_unknown_physical_networks(config: Config, found: Gathered) -> None:
    known = {name for name, _ in config.settings.vlan_ranges}
    used = {row.physical_network for row in found.rows if getattr(row, "network_type", "") == "vlan"}
    for name in sorted(one for one in used - known if one):
        told = f"physical network {name} is not in [ovs] network_vlan_ranges"
        found.notes.append(f"{told}: what is there is taken over, and no new VLAN of it is given")


def _target(config: Config, apply: bool) -> str:
    """The database to write to.  Where there is none yet, only `--apply` makes one."""
    file = engines.sqlite_file(engines.parse(config.database)) if not apply else None
    return "sqlite://" if file is not None and not file.exists() else config.database


def _who() -> str:
    return f"patchbay import ({getpass.getuser()})"


def _carry_out(store: Store, found: Gathered, apps: tuple[app.App, ...], apply: bool) -> int:
    foreseen = _rehearse(store, found, apps)
    clashes = [*found.clashes, *foreseen.clashes]
    _print(foreseen, found, clashes)
    if clashes:
        print("Nothing was written: what clashes must be changed, there or here, first.")
        return 1
    if not apply:
        print("Nothing was written.  --apply does it.")
        return 0
    first = store.revision
    for done in _write(store, found.rows):
        print(f"{done} of {len(found.rows)} rows", file=sys.stderr)
    print(f"Written, up to revision {store.revision}." if store.revision > first else "Nothing was new.")
    return 0


def _rehearse(store: Store, found: Gathered, apps: tuple[app.App, ...]) -> Taken:
    """What writing all of it would do."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    draft = Draft(store.net, store.settings, now, lambda: str(uuid4()))
    once.run(apps, draft)
    return take(draft, found.rows)


def _write(store: Store, rows: list[Any]) -> Iterator[int]:
    """Write the rows, some at a time; gives how many are done.  What was cut off is completed by doing it again."""

    def plan(batch: list[Any], draft: Draft) -> None:
        clashes = take(draft, batch).clashes
        if clashes:
            raise Clashes(f"{clashes[0].about}: {clashes[0].rule}; run it again to see all")

    for start in range(0, len(rows), BATCH):
        store.execute(partial(plan, rows[start : start + BATCH]), who=_who())
        yield min(start + BATCH, len(rows))


def _print(taken: Taken, found: Gathered, clashes: list[Clash]) -> None:
    kinds = [kind for kind in KINDS.values() if kind in taken.made or kind in taken.there]
    lines = [[kind.__name__, taken.made.get(kind, 0), taken.there.get(kind, 0)] for kind in kinds]
    print(table(["ROWS", "NEW", "THERE ALREADY"], lines))
    for kind, count in taken.gone.items():
        print(f"removed, for they were removed there: {count} {kind.__name__} that are here from the start")
    for what, count in sorted(found.left_out.items()):
        print(f"left out, for there is no place for it yet: {count} {what}")
    for note in found.notes:
        print(f"note: {note}")
    for clash in clashes[:SHOWN]:
        print(f"clash: {clash.about}: {clash.rule}")
    if len(clashes) > SHOWN:
        print(f"clash: and {len(clashes) - SHOWN} more")
