# SPDX-License-Identifier: BSD-2-Clause
"""Real servers, unmodified, with a configuration of the lab's own: Prosody and ejabberd."""
import json
import os
import pathlib
import pwd
import shutil

from lab import LabError, Process, wait_for

SECRET = "two-can-keep-it"  # of the component firewall.DOMAIN, on port 5347
START_PROSODY, START_EJABBERD = 20, 60


class Server:
    """What a test may ask of either: addresses, accounts by name, and what its log says."""

    def __init__(self, lab, namespace, domain, addresses, certificate, users):
        self.lab, self.namespace, self.domain, self.users = lab, namespace, domain, users
        self.addresses = {6 if ":" in a else 4: a for a in addresses}
        self.rooms = f"rooms.{domain}"
        self.folder = lab.folder / domain
        self.folder.mkdir()
        self.certificate = self.folder / f"{domain}.crt"
        shutil.copy(certificate, self.certificate)
        shutil.copy(pathlib.Path(certificate).with_suffix(".key"), self.folder / f"{domain}.key")
        self.log = self.folder / "server.log"

    def jid(self, user):
        return f"{user}@{self.domain}"

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def close(self):
        self.process.close()


class Prosody(Server):
    name, ports = "prosody", (5222, 5223)
    CONFIG = """
run_as_root = true; daemonize = false
pidfile = "{folder}/prosody.pid"; data_path = "{folder}/data"; certificates = "{folder}"
log = {{ {{ levels = {{ min = "info" }}, to = "file", filename = "{log}" }} }}
interfaces = {{ {interfaces} }}
c2s_ports = {{ 5222 }}; c2s_direct_tls_ports = {{ 5223 }}; s2s_ports = {{ }}; http_ports = {{ }}; https_ports = {{ }}
component_ports = {{ 5347 }}; component_interfaces = {{ {interfaces} }}
c2s_direct_tls_ssl = {{ certificate = "{folder}/{domain}.crt"; key = "{folder}/{domain}.key" }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "carbons", "mam", "smacks", "ping", "presence", "message", "iq",
    "offline", "pep", "blocklist", "log_auth" }}
modules_disabled = {{ "s2s", "http" }}
log_auth_ips = "all"
c2s_require_encryption = true; allow_unencrypted_plain_auth = false
authentication = "internal_plain"; storage = "internal"
smacks_hibernation_time = 120; archive_expires_after = "1d"
VirtualHost "{domain}"
    ssl = {{ certificate = "{folder}/{domain}.crt"; key = "{folder}/{domain}.key" }}
Component "rooms.{domain}" "muc"
    restrict_room_creation = false; muc_room_locking = false
Component "firewall.{domain}"
    component_secret = "{secret}"
"""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._accounts()
        config = self.folder / "prosody.cfg.lua"
        interfaces = ", ".join(f'"{a}"' for a in self.addresses.values())
        config.write_text(self.CONFIG.format(folder=self.folder, domain=self.domain, log=self.log, interfaces=interfaces,
                                             secret=SECRET))
        self.process = Process(self.namespace, self.folder / "output.log", "prosody", "--config", config, "-F")
        wait_for(lambda: all(self.namespace.listens(a, p) for a in self.addresses.values() for p in self.ports),
                 START_PROSODY, f"Prosody to listen; see {self.log}", self.process.alive)

    def _accounts(self, domain=None):
        folder = self.folder / "data" / (domain or self.domain).replace(".", "%2e").replace("-", "%2d") / "accounts"
        folder.mkdir(parents=True)
        for user, password in self.users.items():
            (folder / f"{user}.dat").write_text(f'return {{ ["password"] = "{password}"; }};\n')


class Ejabberd(Server):
    name = "ejabberd"
    inner_ports = (5210, 5280)  # of Erlang's distribution and of its API; two in one namespace need two pairs
    CONFIG = {
        "loglevel": "info",
        "auth_method": "internal",
        "api_permissions": {"lab": {"from": "mod_http_api", "who": {"ip": "127.0.0.1/8"}, "what": "*"}},
        "acl": {"local": {"user_regexp": ""}},
        "modules": {
            "mod_roster": {}, "mod_disco": {}, "mod_carboncopy": {}, "mod_ping": {}, "mod_offline": {}, "mod_blocking": {},
            "mod_privacy": {}, "mod_http_api": {}, "mod_admin_extra": {}, "mod_caps": {},
            "mod_mam": {"default": "always"},
            "mod_stream_mgmt": {"resume_timeout": "2 minutes"},
            "mod_muc": {"host": "rooms.@HOST@", "access": "all", "access_create": "all"},
        },
    }

    def __init__(self, *arguments):
        super().__init__(*arguments)
        for name in ("config", "logs", "spool"):
            (self.folder / name).mkdir()
        self.log = self.folder / "logs" / "ejabberd.log"
        key = (self.folder / f"{self.domain}.key").read_text()
        (self.folder / "both.pem").write_text(self.certificate.read_text() + key)
        (self.folder / "config/ejabberd.yml").write_text(json.dumps(self._configuration(), indent=1))
        (self.folder / "config/inetrc").write_text("")
        user = pwd.getpwnam("ejabberd")
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, user.pw_uid, user.pw_gid)
        self.launch()
        for name, password in self.users.items():
            self._register(name, password)

    def launch(self):
        self.process = Process(
            self.namespace, self.folder / "output.log", "ejabberdctl", "--config", self.folder / "config/ejabberd.yml",
            "--config-dir", self.folder / "config", "--logs", self.folder / "logs", "--spool", self.folder / "spool",
            "--node", f"{self.lab.tag}@localhost", "foreground",
            env=dict(os.environ, ERL_DIST_PORT=str(self.inner_ports[0]), ERL_EPMD_ADDRESS="127.0.0.1"))
        wait_for(lambda: all(self.namespace.listens(a, p) for a in self.addresses.values() for p in (5222, 5223))
                 and self.namespace.listens("127.0.0.1", self.inner_ports[1]),
                 START_EJABBERD, f"ejabberd to listen; see {self.log}", self.process.alive)

    def _configuration(self):
        listen = []
        for address in self.addresses.values():
            common = {"ip": address, "module": "ejabberd_c2s", "max_stanza_size": 262144}
            listen += [dict(common, port=5222, starttls_required=True), dict(common, port=5223, tls=True),
                       dict(common, port=5322, starttls_required=True, use_proxy_protocol=True),
                       dict(common, port=5422),  # clear text, for a firewall on the same host
                       dict(common, port=5522, starttls_required=True, protocol_options=["no_tlsv1_3"])]
            listen.append({"ip": address, "port": 5347, "module": "ejabberd_service",
                           "hosts": {f"firewall.{self.domain}": {"password": SECRET}}})
        listen.append({"ip": "127.0.0.1", "port": self.inner_ports[1], "module": "ejabberd_http",
                       "request_handlers": {"/api": "mod_http_api"}})
        return dict(self.CONFIG, hosts=[self.domain], certfiles=[str(self.folder / "both.pem")], listen=listen)

    def _register(self, user, password):
        self.api("register", user=user, host=self.domain, password=password)

    def api(self, command, **arguments):
        """What the HTTP API answers, from JSON."""
        body = json.dumps(arguments)
        with self.namespace.connect("127.0.0.1", self.inner_ports[1], timeout=10) as s:
            s.sendall(f"POST /api/{command} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json"
                      f"\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
        head, _, text = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise LabError(f"ejabberd would not {command} {arguments}: {answer[-200:]!r}")
        return json.loads(text)
