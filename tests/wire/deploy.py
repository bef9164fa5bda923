# SPDX-License-Identifier: BSD-2-Clause
"""The files of docs/examples as the tests run them, and what they stand on: a name server, one more server of a domain."""
import pathlib
import shutil
import types

import policy
from lab import ROOT, Process, wait_for
from servers import Prosody

EXAMPLES = ROOT / "docs/examples"
RULES = {"rules.d/lab.rules": policy.RULES.replace("\"lists/", "\"../lists/")}


def example(name):
    """The very file; only the folder of certificates is another one."""
    return (EXAMPLES / name).read_text().replace('"/etc/xmppwall/certs"', '"certs"')


class Names:
    """dnsmasq in a namespace, asked by every program that starts there (or in the hosts named) afterwards."""

    def __init__(self, lab, namespace, *lines, address="127.0.0.1", hosts=None):
        self.namespace, self.address = namespace, address
        self.folders = [pathlib.Path("/etc/netns") / host.name for host in hosts or [namespace]]
        self.file = lab.folder / f"dnsmasq-{namespace.name}.conf"
        self.process = None
        for folder in self.folders:
            folder.mkdir(parents=True)
            (folder / "resolv.conf").write_text(f"nameserver {address}\noptions timeout:1 attempts:1\n")
        self.log = lab.folder / f"dnsmasq-{namespace.name}.log"
        self.say(*lines)

    def say(self, *lines):
        """Other records from now on."""
        if self.process:
            self.process.close()
        self.file.write_text("\n".join(("no-resolv", "no-hosts", "local=/example/", f"listen-address={self.address}", "bind-interfaces",
                                        "user=root", "pid-file=", "no-daemon", "local-ttl=1", *lines)) + "\n")
        self.process = Process(self.namespace, self.log, "/usr/sbin/dnsmasq", "-C", self.file)
        wait_for(lambda: self.namespace.listens(self.address, 53), 10, f"dnsmasq; see {self.log}", self.process.alive)

    def close(self):
        self.process.close()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


def another_prosody(lab, name, domain, addresses, leaf, users):
    """A server of a domain that has one already: with a folder of its own, on addresses the server's host is given."""
    for address in addresses:
        lab.server.run("ip", "addr", "add", f"{address}/{64 if ':' in address else 24}", "dev", "eth0",
                       *(["nodad"] if ":" in address else []))
    folder = lab.folder / name
    folder.mkdir()
    place = types.SimpleNamespace(folder=folder, tag=lab.tag, authority=lab.authority)
    return lab.add(Prosody(place, lab.server, domain, addresses, leaf, users))
