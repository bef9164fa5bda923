# SPDX-License-Identifier: BSD-2-Clause
"""xmppwalld in one of the lab's hosts, with folders of its own, and what one asks it through xmppwallctl."""
import contextlib
import json
import os
import pathlib
import re
import shutil

from lab import ROOT, LabError, Process, wait_for

BUILD = pathlib.Path(os.environ.get("XMPPWALL_BUILD", ROOT / "build"))
PROGRAMS = ("xmppwalld", "xmppwallctl", "xmppwall-proxy", "xmppwall-nfq")


def missing_programs():
    return [name for name in PROGRAMS if not (BUILD / "bin" / name).exists()]


class Wall:
    """One configuration folder (xmppwall.conf, rules.d, lists, certs), one daemon at a time."""

    def __init__(self, lab, name="wall", namespace=None):
        self.lab, self.namespace = lab, namespace or lab.firewall
        self.folder = lab.folder / name
        self.config = self.folder / "etc" / "xmppwall.conf"
        for folder in ("etc/certs", "etc/lists", "etc/rules.d", "state", "run", "log"):
            (self.folder / folder).mkdir(parents=True)
        self.process, self.starts = None, 0
        self.wrap = []  # what runs the daemon: prlimit, env

    def write(self, **files):
        """Configuration files by path below etc/, e.g. {'xmppwall.conf': text}."""
        for path, text in files.items():
            (self.folder / "etc" / path).write_text(text)

    def certificate(self, leaf):
        for path in (pathlib.Path(leaf), pathlib.Path(leaf).with_suffix(".key")):
            shutil.copy(path, self.folder / "etc/certs")

    def command(self, *more):
        return [*self.wrap, BUILD / "bin/xmppwalld", "--config", self.config, "--state-dir", self.folder / "state", "--run-dir",
                self.folder / "run", "--log-dir", self.folder / "log", "--libexec-dir", BUILD / "bin", *more]

    def spawn(self, *more):
        """Starts the daemon and does not wait: for configurations that must not come up."""
        self.starts += 1
        self.process = Process(self.namespace, self.folder / f"xmppwalld-{self.starts}.log", *self.command(*more))
        return self.process

    def start(self, *more, seconds=30):
        self.spawn(*more)
        try:
            wait_for(self.ready, seconds, "xmppwalld to be ready", self.process.alive)
        except LabError as error:
            raise LabError(f"{error}\n{self.process.text()[-3000:]}") from None
        return self

    def ready(self):
        status = self.ctl("status", check=False)
        return isinstance(status, dict) and any(w["state"] != "starting" for w in status["workers"])

    def ctl_command(self, *command):
        return [BUILD / "bin/xmppwallctl", "--run-dir", self.folder / "run", "--config", self.config, "--state-dir", self.folder / "state", *command]

    def run(self, *command, **kwargs):
        """The finished xmppwallctl."""
        return self.namespace.run(*self.ctl_command(*command), **kwargs)

    def ctl(self, *command, check=True):
        """The JSON answer; a list for commands that print one object a line."""
        done = self.run("--json", *command, check=check)
        values = []
        for line in done.stdout.splitlines():
            with contextlib.suppress(ValueError):
                values.append(json.loads(line))
        if command[0] == "events":
            return values
        return values[0] if values else None

    def events(self, last=200, **wanted):
        """Verdict events, newest last, whose xmpp part has these values."""
        found = self.ctl("events", "-n", str(last))
        return [e for e in found if all(e.get("xmpp", {}).get(k) == v for k, v in wanted.items())]

    def event(self, seconds=5, **wanted):
        return wait_for(lambda: self.events(**wanted), seconds, f"an event with {wanted}")[-1]

    def bans(self):
        return [b["address"] for b in self.ctl("bans")["bans"]]

    def blocked(self, version=4, base="block"):
        """What the kernel's own sets hold: {address or network: seconds left}."""
        found = {}
        for part in ("", "_64", "_nets"):
            done = self.namespace.run("nft", "-j", "list", "set", "inet", "xmppwall", f"{base}{version}{part}", check=False)
            for thing in json.loads(done.stdout)["nftables"] if done.returncode == 0 else []:
                for element in thing.get("set", {}).get("elem", []):
                    value, expires = element, None
                    if isinstance(element, dict) and "elem" in element:
                        value, expires = element["elem"]["val"], element["elem"].get("expires")
                    if isinstance(value, dict) and "prefix" in value:
                        value = f"{value['prefix']['addr']}/{value['prefix']['len']}"
                    elif part == "_64":
                        value += "/64"
                    found[value if isinstance(value, str) else json.dumps(value)] = expires
        return found

    def proxies(self):
        """Process ids of the daemon's living children."""
        found = []
        with contextlib.suppress(OSError):
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            for pid in children:
                with contextlib.suppress(OSError):
                    if pathlib.Path(f"/proc/{pid}/comm").read_text().startswith("xmppwall-proxy"):
                        found.append(int(pid))
        return found

    def sessions(self):
        return self.ctl("sessions")["sessions"]

    def unload(self):
        """Takes the table and the routes away, which a stopped daemon leaves so that traffic waits instead of passing."""
        return self.namespace.run(*self.command("--unload"), check=False)

    def close(self):
        """Ends it; a sanitizer's or assertion's complaint in any of its logs is a failure of whatever was tested."""
        if not self.process:
            return
        self.process.close(10)
        self.process = None
        self.unload()
        for log in self.folder.glob("xmppwalld-*.log"):
            text = log.read_text(errors="replace")
            found = re.search(r".*(ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|runtime error:|Assertion).*", text)
            if found:
                raise LabError(f"{log.name}: {text[found.start():found.start() + 3000]}")
