"""Faults of objects and what causes them: an object's fault is over when the last of its causes is."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from controller.core.derived import Switch
from controller.core.effects import Propose
from controller.core.engine import Unit, subject
from controller.core.net import Net

Subject = tuple[str, str]
"""Kind (Port, Network, Host) and id of the object on which a fault is shown."""


class Faults:
    """Live causes by object.  A cause is whatever can say later that it is over: a unit's id, a switch's flow slot."""

    def __init__(self) -> None:
        self._causes: dict[Subject, dict[Hashable, str]] = {}
        self._subjects: dict[Hashable, Subject] = {}

    def begin(self, cause: Hashable, subject: Subject, reason: str) -> Iterator[Propose]:
        """Something is wrong with an object."""
        if self._subjects.get(cause, subject) != subject:
            yield from self.end(cause)
        self._subjects[cause] = subject
        self._causes.setdefault(subject, {})[cause] = reason
        yield Propose("set_fault", (*subject, reason))

    def end(self, cause: Hashable) -> Iterator[Propose]:
        """A cause is over.  Another one of the same object is shown in its place, if there is any."""
        subject = self._subjects.pop(cause, None)
        if subject is None:
            return
        left = self._causes[subject]
        del left[cause]
        if left:
            yield Propose("set_fault", (*subject, next(iter(left.values()))))
            return
        del self._causes[subject]
        # The proposal that set it may still be on its way to the store, so what is stored now does not count.
        yield Propose("clear_fault", subject)

    def has(self, subject: Subject) -> bool:
        """Whether something is known to be wrong with the object now (a stored Fault may be from an earlier run)."""
        return subject in self._causes


def shown_on(net: Net, unit: Unit) -> Subject:
    """Where a unit's fault is shown: on the object it speaks for, or else on the host of its switch."""
    switches = (net.get(Switch, target) for target in unit.targets)
    return subject(unit) or ("Host", next((switch.host for switch in switches if switch is not None), ""))
