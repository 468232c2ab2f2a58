"""A controller that runs by the INI file of Quantum's Open vSwitch plugin, and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo.testbed.served import Answer, Controller
from tests.netns.testbed import Testbed


class Plugin(Controller):
    """`patchbay serve --config ovs_quantum_plugin.ini OPTIONS`: the database is the one that the file names.

    `token`, if it is set, is sent with every request.
    """

    def __init__(self, bed: Testbed, ini: str, *options: str) -> None:
        super().__init__(bed.controller_ip, bed.directory / "quantum", {})
        self.config_file: Path = self.directory / "ovs_quantum_plugin.ini"
        self.config_file.write_text(ini)
        self.options, self.token = options, ""
        bed.controllers.append(self)

    def command(self) -> list[str]:
        words = super().command()
        at = words.index("--database")
        return [*words[:at], *words[at + 2 :], *self.options]

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        token = {"X-Auth-Token": self.token} if self.token else {}
        return super().request(method, path, body, {**token, **(headers or {})})
