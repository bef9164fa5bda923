# SPDX-License-Identifier: BSD-2-Clause
"""Bad lines in the lab: a bridge that loses, delays and doubles packets (tests/bench/bridge_faults.c), put into one of its two
links. Nothing else of the lab notices; offloads are off on that link, so that what passes are packets as a wire has them."""
import json
import signal
import subprocess

from lab import CLIENT_GATEWAY, SERVER_GATEWAY, run
from wall import BUILD

OFFLOADS = ("tx", "off", "rx", "off", "sg", "off", "tso", "off", "gso", "off", "gro", "off")


class BadLine:
    """link: "clients" or "servers", the firewall's name of it. Per cent of all packets each way. Ends with the lab."""

    def __init__(self, lab, link, seed=1, lost=5, delayed=5, doubled=2):
        self.host = lab._namespace(f"{lab.tag}-{link}")
        firewall = lab.firewall.name
        run("ip", "-n", firewall, "link", "set", link, "netns", self.host.name)
        run("ip", "-n", self.host.name, "link", "set", link, "name", "far")
        run("ip", "-n", firewall, "link", "add", link, "type", "veth", "peer", "name", "near", "netns", self.host.name)
        if link == "clients":
            lab._address(firewall, link, CLIENT_GATEWAY, 48)
        else:
            lab._address(firewall, link, SERVER_GATEWAY)
        end = lab.client if link == "clients" else lab.server
        for host, name in ((lab.firewall, link), (self.host, "near"), (self.host, "far"), (end, "eth0")):
            host.run("ethtool", "-K", name, *OFFLOADS)
            run("ip", "-n", host.name, "link", "set", name, "up")
        self.process = self.host.start(BUILD / "bin/bridge_faults", "far", "near", seed, lost, delayed, doubled, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.counts = None
        lab.add(self)

    def close(self):
        """What it did to the packets."""
        if self.counts is None:
            self.process.send_signal(signal.SIGTERM)
            self.counts = json.loads(self.process.communicate(timeout=10)[0])
        return self.counts
