# SPDX-License-Identifier: BSD-2-Clause
"""fail2ban and CrowdSec as Debian has them, unpacked below the build tree: nothing is installed, no service starts, and no
maintainer script runs (CrowdSec's would ask its makers' servers). Each instance has its own folders, socket and database."""
import json
import os
import pathlib
import shutil
import subprocess

from lab import ROOT, LabError, Process, run, wait_for
from wall import BUILD

PACKAGING = ROOT / "packaging"
UNPACKED = BUILD / "others"


def unpack(*names):
    """The root folder of these packages; LabError says why there is none."""
    missing = [name for name in names if not (UNPACKED / f"{name}.done").exists()]
    if missing:
        UNPACKED.mkdir(parents=True, exist_ok=True)
        _download(missing)
    for name in missing:
        run("dpkg", "-x", next(UNPACKED.glob(f"{name}_*.deb")), UNPACKED / "root", timeout=120)
        (UNPACKED / f"{name}.done").touch()
    return UNPACKED / "root"


def _download(names):
    fetch = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *names]
    done = None
    for attempt in range(2):
        try:
            done = subprocess.run(fetch, cwd=UNPACKED, capture_output=True, text=True, timeout=120)
            if done.returncode == 0:
                return
            if attempt == 0:
                run("apt-get", "-qq", "update", check=False, timeout=120)
        except subprocess.TimeoutExpired:
            raise LabError(f"{' '.join(names)} cannot be downloaded: no answer") from None
    raise LabError(f"{' '.join(names)} cannot be downloaded: {done.stderr.strip().splitlines()[-1:]}")


class Fail2ban:
    """A fail2ban-server of its own in a namespace, with our filter and action and one jail."""

    def __init__(self, namespace, root, folder, wall, jail):
        self.namespace, self.root, self.folder = namespace, pathlib.Path(root), pathlib.Path(folder)
        shutil.copytree(self.root / "etc/fail2ban", self.folder / "etc")
        for part in ("action.d", "filter.d"):
            shutil.copy(PACKAGING / "fail2ban" / part / "xmppwall.conf", self.folder / "etc" / part)
        shutil.rmtree(self.folder / "etc/jail.d")
        ctl = " ".join(map(str, wall.ctl_command()))
        (self.folder / "etc/action.d/xmppwall.local").write_text(f"[Init]\nxmppwallctl = {ctl}\n")
        (self.folder / "etc/fail2ban.local").write_text(f"[Definition]\ndbfile = {self.folder}/fail2ban.sqlite3\n")
        (self.folder / "etc/jail.local").write_text(jail)
        self.process = Process(namespace, self.folder / "fail2ban.log", *self._program("fail2ban-server"), "-f", *self._places(),
                               "--loglevel", "INFO", "--logtarget", "STDOUT", "-x", "start", env=self.environment())

    def environment(self):
        return dict(os.environ, PYTHONPATH=str(self.root / "usr/lib/python3/dist-packages"), PYTHONDONTWRITEBYTECODE="1")

    def _program(self, name):
        return ["/usr/bin/python3", self.root / "usr/bin" / name]

    def _places(self):
        return ["-c", self.folder / "etc", "-s", self.folder / "fail2ban.sock", "-p", self.folder / "fail2ban.pid"]

    def client(self, *command, check=True):
        return self.namespace.run(*self._program("fail2ban-client"), "-c", self.folder / "etc", "-s", self.folder / "fail2ban.sock",
                                  *command, check=check, environment=self.environment()).stdout

    def regex(self, log, words):
        """What fail2ban-regex makes of a file with our filter."""
        return self.namespace.run(*self._program("fail2ban-regex"), "-c", self.folder / "etc", log, f"xmppwall{words}", "--print-all-matched", "--print-no-missed",
                                  environment=self.environment()).stdout

    def ready(self, jail):
        try:
            wait_for(lambda: jail in self.client("status", check=False), 20, f"fail2ban's jail {jail}", self.process.alive)
        except LabError as error:
            raise LabError(f"{error}\n{self.process.text()[-2000:]}") from None
        return self

    def close(self):
        self.process.close()


CROWDSEC = """
common: {{ daemonize: false, log_media: stdout, log_level: info, working_dir: {folder} }}
config_paths:
  config_dir: {folder}/etc/
  data_dir: {folder}/data/
  simulation_path: {folder}/etc/simulation.yaml
  hub_dir: {root}/usr/share/crowdsec/hub/
  index_path: {root}/usr/share/crowdsec/hub/.index.json
  notification_dir: {folder}/etc/notifications/
  plugin_dir: {folder}/plugins/
crowdsec_service: {{ acquisition_path: {folder}/etc/acquis.yaml, parser_routines: 1 }}
cscli: {{ output: human }}
db_config: {{ log_level: info, type: sqlite, db_path: {folder}/data/crowdsec.db, use_wal: false, flush: {{ max_items: 5000, max_age: 7d }} }}
plugin_config: {{ user: nobody, group: nogroup }}
api:
  client: {{ credentials_path: {folder}/etc/local.yaml }}
  server: {{ log_level: info, listen_uri: "127.0.0.1:8080", profiles_path: {folder}/etc/profiles.yaml, trusted_ips: ["127.0.0.1"] }}
prometheus: {{ enabled: false }}
"""


class CrowdSec:
    """CrowdSec with its local API in a namespace: our parser and scenarios, what they lean on from Debian's copy of the hub,
    no central API. It follows the log it is given."""

    def __init__(self, namespace, root, folder, log):
        self.namespace, self.root, self.folder = namespace, pathlib.Path(root), pathlib.Path(folder)
        self.config = self.folder / "config.yaml"
        self.environment = {"PATH": f"{self.root}/usr/bin:{os.environ['PATH']}"}
        etc, hub = self.folder / "etc", self.root / "usr/share/crowdsec/hub"
        for part in ("parsers/s00-raw", "parsers/s02-enrich", "postoverflows", "collections", "notifications"):
            (etc / part).mkdir(parents=True)
        (self.folder / "data").mkdir()
        for name in ("profiles.yaml", "simulation.yaml"):
            shutil.copy(self.root / "etc/crowdsec" / name, etc)
        shutil.copytree(self.root / "etc/crowdsec/patterns", etc / "patterns")
        shutil.copy(hub / "parsers/s00-raw/crowdsecurity/syslog-logs.yaml", etc / "parsers/s00-raw")
        shutil.copy(hub / "parsers/s02-enrich/crowdsecurity/dateparse-enrich.yaml", etc / "parsers/s02-enrich")
        shutil.copytree(PACKAGING / "crowdsec/parsers/s01-parse", etc / "parsers/s01-parse")
        shutil.copytree(PACKAGING / "crowdsec/scenarios", etc / "scenarios")
        acquisition = (PACKAGING / "crowdsec/acquis.d/xmppwall.yaml").read_text()
        (etc / "acquis.yaml").write_text(acquisition.replace("/var/log/xmppwall/events.json", str(log)))
        self.config.write_text(CROWDSEC.format(folder=self.folder, root=self.root))
        self.cscli("machines", "add", "lab", "--password", "secret", "--force", "-f", etc / "local.yaml")
        self.process = Process(namespace, self.folder / "crowdsec.log", self.root / "usr/bin/crowdsec", "-c", self.config)
        # Its local API comes up before it follows the log.
        wait_for(lambda: "Starting processing data" in self.process.text(), 30, "CrowdSec to follow the log", self.process.alive)

    def cscli(self, *command, check=True):
        return self.namespace.run(self.root / "usr/bin/cscli", "-c", self.config, *command, check=check, environment=self.environment).stdout

    def alerts(self):
        """{scenario: addresses}"""
        found = {}
        for alert in json.loads(self.cscli("alerts", "list", "-o", "json")) or []:
            found.setdefault(alert["scenario"], set()).add(alert["source"]["value"])
        return found

    def decisions(self):
        """As cscli prints them."""
        return self.cscli("decisions", "list", "--all", "-o", "json")

    def explain(self, log):
        return self.cscli("explain", "--file", log, "--type", "xmppwall", "-v")

    def close(self):
        self.process.close()
