"""Certificate authorities for tests, and what they sign: PEM files in a directory.

ca = Authority(tmp_path / "ca")
server, host = ca.signs("server", "127.0.0.1"), ca.signs("h1")
host.certificate, host.key, ca.certificate      # paths
"""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Pair(NamedTuple):
    """Paths of a certificate and its private key."""

    certificate: str
    key: str


class Authority:
    """A CA with a certificate that it signed itself."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self._name = _name(directory.name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate, _ = self._write("cacert", self._name, self._key, x509.BasicConstraints(True, None), [])

    def signs(self, name: str, *addresses: str, days: int = 1) -> Pair:
        """A certificate for a name, and for IP addresses; one of 0 days has expired."""
        alternatives = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write(name, _name(name), key, x509.BasicConstraints(False, None), alternatives, days)

    def _write(
        self,
        file: str,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        constraints: x509.BasicConstraints,
        alternatives: list[x509.IPAddress],
        days: int = 1,
    ) -> Pair:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - 2 * DAY).not_valid_after(now + (days or -1) * DAY)
        builder = builder.add_extension(constraints, critical=True)
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        pair = Pair(str(self._directory / f"{file}.pem"), str(self._directory / f"{file}-key.pem"))
        Path(pair.certificate).write_bytes(made.public_bytes(serialization.Encoding.PEM))
        Path(pair.key).write_bytes(_pem(key, serialization.NoEncryption()))
        return pair


def encrypted(key: str, path: Path) -> str:
    """A private key again, with a password."""
    read = serialization.load_pem_private_key(Path(key).read_bytes(), None)
    assert isinstance(read, ec.EllipticCurvePrivateKey)
    path.write_bytes(_pem(read, serialization.BestAvailableEncryption(b"secret")))
    return str(path)


def _pem(key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
