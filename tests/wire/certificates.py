# SPDX-License-Identifier: BSD-2-Clause
"""Certificates as servers show them to servers (RFC 6120, 13.7.1.2): an authority, and leaves with names, dates and flaws of choice."""
import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

XMPP_ADDR, SRV_NAME = ObjectIdentifier("1.3.6.1.5.5.7.8.5"), ObjectIdentifier("1.3.6.1.5.5.7.8.7")
UTF8_STRING, IA5_STRING = 0x0C, 0x16


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def _other(kind, tag, text):
    return x509.OtherName(kind, bytes([tag, len(text.encode())]) + text.encode())


def dns(name):
    return x509.DNSName(name)


def srv(domain, service="_xmpp-server"):
    return _other(SRV_NAME, IA5_STRING, f"{service}.{domain}")


def xmpp_addr(domain):
    return _other(XMPP_ADDR, UTF8_STRING, domain)


def address(text):
    return x509.IPAddress(ipaddress.ip_address(text))


def all_of(*domains):
    """The three names a domain's certificate may have. ejabberd (23.01 and later) ends the stream on a valid one with an xmppAddr."""
    return [name for domain in domains for name in (dns(domain), srv(domain), xmpp_addr(domain))]


def _subject(common):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "lab"), x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Issuer:
    """An authority; file is its certificate, for whoever trusts it."""

    def __init__(self, folder, common="public lab CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key, self.subject, self.file = ec.generate_private_key(ec.SECP256R1()), _subject(common), self.folder / "ca.crt"
        self.certificate = self._builder(self.subject, self.subject, self.key, -1, 30).add_extension(
            x509.BasicConstraints(True, None), True).sign(self.key, hashes.SHA256())
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def _builder(subject, issuer, key, first, last):
        return x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(),
                                       now() + datetime.timedelta(days=first), now() + datetime.timedelta(days=last))

    def issue(self, name, where, names=None, days=(-1, 30), self_signed=False, common=None,
              uses=(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)):
        """NAME.crt (with the authority's behind it) and NAME.key in a folder. names: subjectAltNames, [] for none; days: first and
        last day from today."""
        where, key, subject = pathlib.Path(where), ec.generate_private_key(ec.SECP256R1()), _subject(common or name)
        where.mkdir(parents=True, exist_ok=True)
        made = self._builder(subject, subject if self_signed else self.subject, key, *days)
        made = made.add_extension(x509.BasicConstraints(False, None), True)
        names = all_of(name) if names is None else names
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), False)
        if uses:
            made = made.add_extension(x509.ExtendedKeyUsage(uses), False)
        leaf = made.sign(key if self_signed else self.key, hashes.SHA256())
        chain = [leaf] if self_signed else [leaf, self.certificate]
        file = where / f"{name}.crt"
        file.write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in chain))
        (where / f"{name}.key").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return file
