# SPDX-License-Identifier: BSD-2-Clause
"""What the SASL tests need beyond the lab's two servers: Prosody with SASL2 and hosts of other arrangements, and clients
that Debian's slixmpp is not: go-sendxmpp, and xmpp.js out of npm."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from lab import Process
from servers import Prosody

HERE = pathlib.Path(__file__).parent
PADUA = "198.51.100.10"


class Padua(Prosody):
    """Debian's Prosody with the community's SASL2 modules, and four hosts: padua with the defaults of today, old knows no TLS
    1.3, plain takes logins in clear text (its firewall is on the same host), anon takes anybody."""
    ports = (5272,)
    HOSTS = ("padua.example", "old.padua.example", "plain.padua.example")
    CONFIG = """
run_as_root = true; daemonize = false
pidfile = "{folder}/prosody.pid"; data_path = "{folder}/data"; certificates = "{folder}"
log = {{ {{ levels = {{ min = "debug" }}, to = "file", filename = "{log}" }} }}
interfaces = {{ {interfaces} }}
c2s_ports = {{ 5272 }}; c2s_direct_tls_ports = {{ }}; s2s_ports = {{ }}; http_ports = {{ }}; https_ports = {{ }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "carbons", "smacks", "ping", "presence", "message", "iq", "csi",
    "lab_sasl2", "sasl2", "sasl2_bind2", "sasl2_sm", "sasl2_fast" }}
plugin_paths = {{ "MODULES" }}
smacks_hibernation_time = 60
modules_disabled = {{ "s2s", "http" }}
c2s_require_encryption = true; allow_unencrypted_plain_auth = false
authentication = "internal_plain"; storage = "internal"
ssl = {{ certificate = "{folder}/{domain}.crt"; key = "{folder}/{domain}.key" }}
VirtualHost "{domain}"
VirtualHost "old.{domain}"
    ssl = {{ certificate = "{folder}/{domain}.crt"; key = "{folder}/{domain}.key"; protocol = "tlsv1_2" }}
VirtualHost "plain.{domain}"
    c2s_require_encryption = false; allow_unencrypted_plain_auth = true
VirtualHost "anon.{domain}"
    authentication = "anonymous"
    modules_disabled = {{ "sasl2_fast" }}
"""

    CONFIG = CONFIG.replace("MODULES", str(HERE / "prosody"))

    def _accounts(self, domain=None):
        for host in self.HOSTS:
            super()._accounts(host)

    def host(self, name):
        """A view of this server as one of its hosts."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__, domain=f"{name}.{self.domain}" if name else self.domain)
        return made


def node_modules():
    """The folder of the npm packages in tests/wire/node/package.json, installed into the build folder when missing."""
    if not shutil.which("npm"):
        pytest.skip("no npm")
    folder = pathlib.Path(os.environ.get("XMPPWALL_BUILD", HERE.parents[1] / "build")) / "node"
    if not (folder / "node_modules/@xmpp/client/index.js").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "node/package.json", folder)
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder], cwd=folder,
                              capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            pytest.skip(f"npm install: {done.stderr[-300:]}")
    return folder / "node_modules"


class Told:
    """What login.mjs said."""

    def __init__(self, lines, errors):
        self.lines, self.errors = lines, errors

    def of(self, key):
        return [line[key] for line in self.lines if key in line]

    @property
    def ok(self):
        return self.lines[-1:] == [{"done": True}]

    def __repr__(self):
        return f"{self.lines[-12:]} {self.errors[-1500:]}"


def xmpp_js(lab, domain, username, password, port=5222, address=PADUA, tls=None, **order):
    """Runs xmpp.js in the client namespace to its end."""
    order = dict(order, service=f"xmpp://{address}:{port}", domain=domain, username=username, password=password)
    options = [f"--tls-min-v{tls}", f"--tls-max-v{tls}"] if tls else []
    done = lab.client.run("node", *options, HERE / "node/login.mjs", node_modules(), json.dumps(order), check=False,
                          environment={"NODE_EXTRA_CA_CERTS": str(lab.authority.file)}, timeout=60)
    return Told([json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stderr)


def go_sendxmpp(lab, domain, username, password, port=5222, address=PADUA, tls="12", to=None):
    """(worked, what it said) of one message sent by go-sendxmpp to its own account."""
    if not shutil.which("go-sendxmpp"):
        pytest.skip("no go-sendxmpp")
    jid = f"{username}@{domain}"
    done = lab.client.run("go-sendxmpp", "-d", "-u", jid, "-p", password, "-j", f"{address}:{port}", "--tls-version", tls, to or jid,
                          check=False, text="said by Go\n", environment={"SSL_CERT_FILE": str(lab.authority.file)}, timeout=30)
    return done.returncode == 0, done.stdout + done.stderr
