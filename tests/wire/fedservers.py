# SPDX-License-Identifier: BSD-2-Clause
"""Prosody and ejabberd as one side of a federation: several domains each, and what their logs say of who was believed and why."""
import json
import re
import shutil

from lab import Process, wait_for
from servers import Ejabberd, Prosody

S2S_PORTS = (5269, 5270)
EXTERNAL, DIALBACK = {"external"}, {"dialback"}


class Federated:
    """What the lab asks of either server as one side: a log that can be read from a mark on."""

    def prepare(self, domains, certificates, trust, tls):
        """Between the folder's making and the start."""
        self.domains, self.tls, self.mark_at = domains, tls, 0
        self.trust = self.folder / "trust.pem"
        shutil.copy(trust, self.trust)
        self.certificates = self.folder / "certs"
        self.certificates.mkdir()
        for domain in domains:
            for end in (".crt", ".key"):
                shutil.copy(certificates / (domain + end), self.certificates)

    def mark(self):
        """From here on since() begins."""
        self.mark_at = len(self.log_text())

    def since(self):
        return self.log_text()[self.mark_at:]

    def logged(self, pattern, seconds=10):
        """The log's match since mark()."""
        return wait_for(lambda: re.search(pattern, self.since()), seconds, f"{pattern!r} in {self.log}", self.process.alive)

    def authenticated(self, direction, peer, own):
        """How streams of that direction (as this server sees it) between the two were authenticated since mark(), as the log says:
        of {"external", "dialback"}."""
        raise NotImplementedError

    def streams_of(self):
        """Connections of this host that are streams between servers: both ends of each."""
        found = self.namespace.run("ss", "-Htn", "state", "established", "( sport = :5269 or dport = :5269 or sport = :5270 or dport = :5270 )")
        return sorted(tuple(line.split()[-2:]) for line in found.stdout.splitlines())

    def restart(self):
        self.process.close()
        self.launch()

    def logs(self):
        return [self.log, self.folder / "output.log"]


class FederatedProsody(Federated, Prosody):
    CONFIG = """
run_as_root = true; daemonize = false
pidfile = "{folder}/prosody.pid"; data_path = "{folder}/data"; certificates = "{folder}/certs"
log = {{ {{ levels = {{ min = "debug" }}, to = "file", filename = "{log}" }} }}
interfaces = {{ {interfaces} }}; s2s_interfaces = {{ {interfaces} }}
c2s_ports = {{ 5222 }}; c2s_direct_tls_ports = {{ }}; s2s_ports = {{ 5269 }}; s2s_direct_tls_ports = {{ {direct} }}
http_ports = {{ }}; https_ports = {{ }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "presence", "message", "iq", "dialback", "admin_shell", {modules} }}
modules_disabled = {{ "http" }}
c2s_require_encryption = false; allow_unencrypted_plain_auth = true
s2s_require_encryption = {required}; s2s_allow_encryption = {allowed}; s2s_secure_auth = false
authentication = "internal_plain"; storage = "internal"
ssl = {{ cafile = "{trust}" }}
{more}
{hosts}
Component "rooms.{domain}" "muc"
    restrict_room_creation = false; muc_room_locking = false
"""

    def __init__(self, lab, namespace, domains, addresses, certificates, users, trust, tls="required", modules=("smacks",), more=""):
        super(Prosody, self).__init__(lab, namespace, domains[0], addresses, certificates / f"{domains[0]}.crt", users)
        self.prepare([*domains, self.rooms], certificates, trust, tls)
        for domain in domains:
            self._accounts(domain)
        interfaces = ", ".join(f'"{a}"' for a in self.addresses.values())
        hosts = "\n".join(f'VirtualHost "{d}"' for d in domains)
        self.config = self.folder / "prosody.cfg.lua"
        self.config.write_text(self.CONFIG.format(
            folder=self.folder, domain=self.domain, log=self.log, interfaces=interfaces, hosts=hosts, trust=self.trust, more=more,
            direct="" if tls == "none" else 5270, required=str(tls == "required").lower(), allowed=str(tls != "none").lower(),
            modules=", ".join(f'"{m}"' for m in modules)))
        self.launch()

    def authenticated(self, direction, peer, own):
        text, found = self.since(), set()
        pair = f"{peer}->{own}" if direction == "in" else f"{own}->{peer}"
        for stream in re.findall(rf"(s2s{direction}\w+)\s+debug\s+connection {re.escape(pair)} is now authenticated for {re.escape(peer)}\n", text):
            external = re.search(rf"{stream}\s+debug\s+(Sending|Received)\[\w+\]: <success ", text)
            found.add("external" if external else "dialback")
        return found

    def launch(self):
        self.process = Process(self.namespace, self.folder / "output.log", "prosody", "--config", self.config, "-F")
        ports = (5222, 5269) if self.tls == "none" else (5222, *S2S_PORTS)
        wait_for(lambda: all(self.namespace.listens(a, p) for a in self.addresses.values() for p in ports),
                 20, f"Prosody to listen; see {self.log}", self.process.alive)

    def shell(self, command):
        """What the admin console answers."""
        return self.namespace.run("prosodyctl", "--config", self.config, "shell", command).stdout

    def streams(self):
        """s2s:show(), as text."""
        return self.shell("s2s:show()")

    def hang_up(self):
        """Ends all streams between servers, so that the next stanza opens new ones."""
        self.shell("> local all = {}; for s in pairs(prosody.incoming_s2s) do all[#all + 1] = s end; "
                   "for _, h in pairs(prosody.hosts) do for _, s in pairs(h.s2sout or {}) do all[#all + 1] = s end end; "
                   "for _, s in ipairs(all) do if s.close then s:close() end end; return #all")


class FederatedEjabberd(Federated, Ejabberd):
    CONFIG = {
        "loglevel": "debug",
        "auth_method": "internal",
        "api_permissions": {"lab": {"from": "mod_http_api", "who": {"ip": "127.0.0.1/8"}, "what": "*"}},
        "acl": {"local": {"user_regexp": ""}},
        "modules": {
            "mod_roster": {}, "mod_disco": {}, "mod_ping": {}, "mod_s2s_dialback": {}, "mod_http_api": {}, "mod_admin_extra": {},
            "mod_muc": {"host": "rooms.@HOST@", "access": "all", "access_create": "all"},
        },
    }

    def __init__(self, lab, namespace, domains, addresses, certificates, users, trust, tls="required", modules=(), more=""):
        self.own = domains
        self.beforehand = lambda: self.prepare([*domains, f"rooms.{domains[0]}"], certificates, trust, tls)
        super().__init__(lab, namespace, domains[0], addresses, certificates / f"{domains[0]}.crt", users)

    def _configuration(self):
        self.beforehand()
        pems = []
        for domain in self.domains:
            pems.append(self.certificates / f"{domain}.pem")
            pems[-1].write_text("".join((self.certificates / (domain + end)).read_text() for end in (".crt", ".key")))
        listen = [{"ip": "127.0.0.1", "port": self.inner_ports[1], "module": "ejabberd_http", "request_handlers": {"/api": "mod_http_api"}}]
        for address in self.addresses.values():
            listen += [{"ip": address, "port": 5222, "module": "ejabberd_c2s"}, {"ip": address, "port": 5223, "module": "ejabberd_c2s"},
                       {"ip": address, "port": 5269, "module": "ejabberd_s2s_in"}]
            if self.tls != "none":
                listen.append({"ip": address, "port": 5270, "module": "ejabberd_s2s_in", "tls": True})
        return dict(self.CONFIG, hosts=self.own, certfiles=list(map(str, pems)), ca_file=str(self.trust), listen=listen,
                    s2s_use_starttls={"required": "required", "optional": "optional", "none": False}[self.tls])

    def _register(self, user, password):
        for domain in self.own:
            self.api("register", user=user, host=domain, password=password)

    def authenticated(self, direction, peer, own):
        way, pair = ("inbound", f"{peer} -> {own}") if direction == "in" else ("outbound", f"{own} -> {peer}")
        return {how.lower() for how in re.findall(rf"Accepted {way} s2s (EXTERNAL|dialback) authentication {re.escape(pair)}\b", self.since())}

    def streams(self):
        return json.dumps([self.api("incoming_s2s_number"), self.api("outgoing_s2s_number")])

    def hang_up(self):
        self.api("stop_s2s_connections")


KINDS = {"P": FederatedProsody, "E": FederatedEjabberd}
