# SPDX-License-Identifier: BSD-2-Clause
"""Servers that are told to trust the local authority, with the very lines of docs/DEPLOY.md: whoever shows a leaf of it gets in
with SASL EXTERNAL as its domain, and nobody else."""
import ssl
import types

import pytest

from authority import Errand
from certificates import Issuer, dns, srv
from deploy import example
from fedservers import FederatedEjabberd, FederatedProsody
from wall import BUILD

OURS, REMOTE, OTHER = "ours.example", "remote.example", "other.example"
ADDRESSES = {"prosody": "198.51.100.61", "ejabberd": "198.51.100.62"}
LINES = {"prosody": "deploy/authority-prosody.cfg.lua", "ejabberd": "deploy/authority-ejabberd.yml"}
HEADER = ("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' "
          "version='1.0' from='{}' to='{}'>")
NS_SASL, NS_TLS = "urn:ietf:params:xml:ns:xmpp-sasl", "urn:ietf:params:xml:ns:xmpp-tls"


class IncludingEjabberd(FederatedEjabberd):
    """With one more file of configuration, whose settings count; beside the lab's own."""
    more = None
    inner_ports = (5211, 5281)

    def _configuration(self):
        made = super()._configuration()
        made["include_config_file"] = [str(self.more)]
        del made["s2s_use_starttls"]
        return made


class Peer:
    """A remote server that dials: STARTTLS with the certificate given, then its header as domain."""

    def __init__(self, server, leaf, domain=REMOTE):
        self.domain, self.server = domain, server
        self.socket = server.namespace.connect(next(iter(server.addresses.values())), 5269, timeout=10)
        self.open()
        self.socket.sendall(f"<starttls xmlns='{NS_TLS}'/>".encode())
        self.read("<proceed")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if leaf:
            context.load_cert_chain(leaf, leaf.with_suffix(".key"))
        self.socket = context.wrap_socket(self.socket)
        self.features = self.open()

    def open(self):
        self.socket.sendall(HEADER.format(self.domain, self.server.domain).encode())
        return self.read("</stream:features>")

    def read(self, until):
        text = b""
        while until.encode() not in text:
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError(f"ended before {until}: {text.decode(errors='replace')}")
            text += more
        return text.decode()

    def offered(self):
        """ejabberd offers it to everybody, and refuses it then."""
        return "EXTERNAL" in self.features and (self.server.name == "prosody" or self.taken())

    def taken(self):
        """With EXTERNAL, for the domain of its header."""
        self.socket.sendall(f"<auth xmlns='{NS_SASL}' mechanism='EXTERNAL'>=</auth>".encode())
        return "<success" in self.read(NS_SASL)

    def close(self):
        self.socket.close()


@pytest.fixture(scope="module")
def errand(lab):
    if not (BUILD / "bin/xmppwall-ca").exists():
        pytest.skip("not built: xmppwall-ca")
    (lab.folder / "authority").mkdir()
    return Errand(BUILD / "bin", lab.folder / "authority")


@pytest.fixture(scope="module", params=["prosody", "ejabberd"])
def trusting(request, lab, errand):
    """A server of ours.example that knows public authorities, and the local one by the lines of DEPLOY.md."""
    name = request.param
    folder = lab.folder / f"trusting-{name}"
    folder.mkdir()
    folder.chmod(0o755)
    lab.folder.chmod(0o755)
    bundle = folder / "xmppwall-authority.pem"
    errand.ctl("export", "--out", bundle)
    assert bundle.stat().st_mode & 0o777 == 0o644
    lines = example(LINES[name])
    assert f"/etc/{name}/xmppwall-authority.pem" in lines
    lines = lines.replace(f"/etc/{name}/xmppwall-authority.pem", str(bundle))
    lab.server.run("ip", "addr", "replace", f"{ADDRESSES[name]}/24", "dev", "eth0")
    public = Issuer(folder / "public")
    public.issue(OURS, folder / "leaves", [dns(OURS), srv(OURS)])
    public.issue(f"rooms.{OURS}", folder / "leaves", [dns(f"rooms.{OURS}"), srv(f"rooms.{OURS}")])
    place = types.SimpleNamespace(folder=folder, tag=f"{lab.tag}{name[0]}")
    given = (place, lab.server, [OURS], [ADDRESSES[name]], folder / "leaves", {}, public.file)
    if name == "prosody":
        made = FederatedProsody(*given, more=lines)
    else:
        (folder / "more.yml").write_text(lines)
        made = type("Including", (IncludingEjabberd,), {"more": folder / "more.yml"})(*given)
    yield lab.add(made)
    made.close()


@pytest.fixture
def dial(trusting):
    made = []

    def make(*arguments, **keywords):
        made.append(Peer(trusting, *arguments, **keywords))
        return made[-1]

    yield make
    for peer in made:
        peer.close()


def test_a_leaf_is_taken(errand, dial, tmp_path):
    peer = dial(errand.leaf(REMOTE, tmp_path))
    assert "EXTERNAL" in peer.features
    assert peer.taken()


def test_an_internationalised_domain(errand, dial, tmp_path):
    """The leaf has A-labels, the stream's header the domain as JIDs have it."""
    peer = dial(errand.leaf("bücher.example", tmp_path), domain="bücher.example")
    assert "EXTERNAL" in peer.features
    assert peer.taken()


def test_another_domains_leaf_is_not(errand, dial, tmp_path):
    assert not dial(errand.leaf(OTHER, tmp_path)).offered()


def test_none_is_not(dial):
    assert not dial(None).offered()


def test_another_authoritys_leaf_is_not(lab, dial, tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    stranger = Errand(BUILD / "bin", tmp_path / "state")
    assert not dial(stranger.leaf(REMOTE, tmp_path)).offered()
