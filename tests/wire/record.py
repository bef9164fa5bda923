#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Records real traffic in clear text for the tests of replay: `record.py FOLDER` (root) makes prosody.pcap and ejabberd.pcap.

Each is a conversation of cleartalk.py with that server, in namespaces of the lab, seen by tcpdump on the wire between them.
What tests/captures/ ships was made so; there is nothing in it but the lab's own names and addresses."""
import contextlib
import json
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lab import Authority, Lab, LabError, wait_for  # noqa: E402
from servers import SECRET, Ejabberd, Prosody  # noqa: E402

USERS = {"juliet": "balcony", "romeo": "orchard", "nurse": "aqua-vitae"}


class ClearProsody(Prosody):
    CONFIG = Prosody.CONFIG.replace("c2s_require_encryption = true", "c2s_require_encryption = false")


class BoshProsody(Prosody):
    """The same with BOSH in clear text on 5280."""
    ports = (5222, 5280)
    CONFIG = (ClearProsody.CONFIG.replace("http_ports = {{ }};", "http_ports = {{ 5280 }}; http_interfaces = {{ {interfaces} }};")
              .replace('"log_auth" }}', '"log_auth", "bosh" }}').replace('modules_disabled = {{ "s2s", "http" }}', 'modules_disabled = {{ "s2s" }}')
              .replace("allow_unencrypted_plain_auth = false", "allow_unencrypted_plain_auth = true; consider_bosh_secure = true"))


class ClearEjabberd(Ejabberd):
    def _configuration(self):
        made = super()._configuration()
        for listener in made["listen"]:
            if listener.pop("starttls_required", False):
                listener["starttls"] = True
        return made


class BoshEjabberd(ClearEjabberd):
    """The same with BOSH in clear text on 5280."""
    def _configuration(self):
        made = super()._configuration()
        made["listen"] += [{"ip": a, "port": 5280, "module": "ejabberd_http", "request_handlers": {"/http-bind": "mod_bosh"}}
                           for a in self.addresses.values()]
        return dict(made, modules=dict(made["modules"], mod_bosh={}))


def is_whole(path):
    """Everything that was said has arrived on the disk: the last words came through, and three streams were closed by both."""
    seen = path.read_bytes()
    return seen.count(b"good night 11") >= 2 and seen.count(b"</stream:stream>") >= 6


def record(lab, server, path):
    """The conversation with the server into a capture; gives what was said, as cleartalk prints it."""
    path = pathlib.Path(path)
    dump = lab.client.start("tcpdump", "-Z", "root", "-U", "--immediate-mode", "-n", "-i", "eth0", "-w", path, "tcp", stderr=subprocess.PIPE)
    try:
        wait_for(path.exists, 10, "tcpdump to begin", lambda: dump.poll() is None)
        talk = lab.client.run("/usr/bin/python3", pathlib.Path(__file__).with_name("cleartalk.py"), server.domain,
                              server.addresses[4], server.addresses[6], lab.authority.file, SECRET, check=False, timeout=120)
        if talk.returncode != 0:
            raise LabError(f"cleartalk: {talk.stderr[-2000:]}")
        wait_for(lambda: is_whole(path), 10, "tcpdump to write it all")
    finally:
        dump.send_signal(signal.SIGINT)
        dump.wait(10)
    return [json.loads(line) for line in talk.stdout.splitlines()]


def record_bosh(lab, server, path):
    """The same with boshtalk.py; gives what it prints. None: tcpdump was too slow for it."""
    path = pathlib.Path(path)
    path.unlink(missing_ok=True)
    dump = lab.client.start("tcpdump", "-Z", "root", "-U", "--immediate-mode", "-s", "4096", "-B", "16384", "-n", "-i", "eth0", "-w", path,
                            "tcp", stderr=subprocess.PIPE, text=True)
    try:
        wait_for(path.exists, 10, "tcpdump to begin", lambda: dump.poll() is None)
        talk = lab.client.run("/usr/bin/python3", pathlib.Path(__file__).with_name("boshtalk.py"), server.domain,
                              server.addresses[4], server.addresses[6], check=False, timeout=120)
        if talk.returncode != 0:
            raise LabError(f"boshtalk: {talk.stderr[-2000:]}")
        with contextlib.suppress(LabError):  # then it has lost them
            wait_for(lambda: path.read_bytes().count(b"type='terminate'") >= 4, 10, "tcpdump to write it all")
    finally:
        dump.send_signal(signal.SIGINT)
        told = dump.communicate(timeout=10)[1]
    if "0 packets dropped by kernel" not in told.splitlines():
        return None
    return [json.loads(line) for line in talk.stdout.splitlines()]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    with Lab() as lab:
        lab.authority = Authority(lab.folder / "ca")
        for kind, domain, last in ((ClearProsody, "verona.example", 10), (ClearEjabberd, "mantua.example", 20)):
            leaf = lab.authority.issue(domain, lab.folder / "leaves")
            server = lab.add(kind(lab, lab.server, domain, [f"198.51.100.{last}", f"2001:db8:2::{last}"], leaf, USERS))
            said = record(lab, server, folder / f"{server.name}.pcap")
            print(f"{server.name}: {len(said)} messages, {(folder / f'{server.name}.pcap').stat().st_size} bytes")


if __name__ == "__main__":
    main()
