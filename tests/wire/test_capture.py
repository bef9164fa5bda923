# SPDX-License-Identifier: BSD-2-Clause
"""What the inspector's queue shows goes into a file, masked or not; and the verdicts on it are those of judge, replay and the queue."""
import json
import signal
import stat
import subprocess
import sys

import pytest

from lab import ROOT, wait_for
from test_inspect import HEADER, Component, Server, arrives, message
from wall import BUILD, Wall

sys.path.insert(0, str(ROOT / "tests/cli"))

POLICY = """
service component { listen tcp { 5276 }; mode inspect; tls none; }
inspect { queues 2; }
chain inbound {
    hook any; policy accept;
    rule spam  { message body contains "casino"   drop }
    rule mask  { message body contains "balcony"  replace "***" }
    rule ask   { iq payload.ns == "urn:forbidden" reject forbidden }
    rule long  { message size > 3000              drop }
    rule plain { message                          accept, log }
    rule other { size > 0 accept, log }
}
"""
STANZAS = [message("wherefore art thou"), message("to the casino"), message("on the balcony"),
           "<iq type='get' id='q1' from='a@irc.example' to='verona.example'><query xmlns='urn:forbidden'>words</query></iq>",
           "<presence from='a@irc.example' to='b@verona.example'><status>in secret</status></presence>",
           message("long " * 700), message("good night")]


@pytest.fixture(scope="module")
def wall(lab):
    made = Wall(lab, "capture")
    made.write(**{"xmppwall.conf": POLICY})
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def server(lab):
    made = Server(lab)
    yield made
    made.close()


class Capturing:
    def __init__(self, wall, path, *words):
        self.path = path
        self.process = wall.namespace.start(*wall.ctl_command("--json", "capture", *words, path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # The file is there once the daemon has agreed; what it orders its child goes the same way as our probes.
        wait_for(lambda: path.exists() and wall.ctl("status"), 10, "the capture to begin", lambda: self.process.poll() is None)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        text, errors = self.process.communicate(timeout=10)
        assert self.process.returncode == 0, errors
        return json.loads(text)


def replayed(wall, path):
    done = subprocess.run([BUILD / "bin/xmppwallctl", "--json", "replay", "--rules", wall.config, path], capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def converse(lab, server):
    one = Component(lab)
    try:
        for text in STANZAS:
            one.say(text)
        arrives(server, STANZAS[-1])
        for peer in server.peers:
            peer.sendall((message("and back, casino") + message("yes")).encode())
        one.hear(message("yes"))
    finally:
        one.socket.close()


def written(path, word):
    """The last word of the conversation is in the file: packets are told twenty times a second."""
    wait_for(lambda: word in path.read_bytes(), 5, "the file to have it")


def test_three_doors(wall, lab, server, tmp_path):
    """The same stanzas in the queue, in a replay of what the queue showed, and by judge: the same verdicts."""
    running = Capturing(wall, tmp_path / "live.pcapng", "--service", "component", "--for", "5m")
    converse(lab, server)
    live = wait_for(lambda: len(found := [e["xmpp"] for e in wall.events() if "verdict" in e.get("xmpp", {})]) >= 9 and found, 5, "the events")
    written(running.path, b"<body>yes</body>")
    told = running.end()
    assert told["end"] == "stopped" and told["packets"] > 10 and not told["masked"]
    assert stat.S_IMODE(running.path.stat().st_mode) == 0o600
    rows = [r for r in replayed(wall, running.path) if "verdict" in r]
    pick = ("verdict", "rule", "chain")
    by_live = [tuple(e.get(k) for k in pick) for e in live]
    by_replay = [tuple(r.get(k) for k in pick) for r in rows]
    assert len(rows) == len(STANZAS) + 2
    assert sorted(by_live) == sorted(by_replay)
    for direction, texts in (("in", STANZAS), ("out", [message("and back, casino"), message("yes")])):
        mine = [r for r in rows if r["direction"] == direction]
        done = subprocess.run([BUILD / "bin/xmppwallctl", "--json", "judge", "--rules", wall.config, "--service", "component", "--direction", direction],
                              input=HEADER.format("") + "".join(texts), capture_output=True, text=True, timeout=30, check=True)
        judged = [json.loads(line) for line in done.stdout.splitlines()]
        for a, b in zip(judged, mine, strict=True):
            a.pop("id")
            assert a == {k: b[k] for k in a}


def test_masked(wall, lab, server, tmp_path):
    running = Capturing(wall, tmp_path / "masked.pcapng", "--mask")
    converse(lab, server)
    written(running.path, b"<body>xxx</body>")
    told = running.end()
    data = running.path.read_bytes()
    assert told["masked"] and told["mask"]["streams"] == 1
    for word in (b"wherefore", b"casino", b"balcony", b"words", b"secret", b"long long"):
        assert word not in data
    rows = replayed(wall, running.path)
    assert len([r for r in rows if "verdict" in r]) == len(STANZAS) + 2
    assert rows[-1]["summary"]["counters"]["packet.checksum"] == 0


def test_bounds(wall, lab, server, tmp_path):
    running = Capturing(wall, tmp_path / "short.pcapng", "--for", "1s")
    text, errors = running.process.communicate(timeout=10)
    assert running.process.returncode == 0, errors
    assert json.loads(text)["end"] == "all"
    running = Capturing(wall, tmp_path / "small.pcapng", "--size", "2k")
    converse(lab, server)
    text, errors = running.process.communicate(timeout=10)
    assert json.loads(text)["end"] == "size" and running.path.stat().st_size <= 2048


def test_refused(wall, lab, tmp_path):
    path = tmp_path / "none.pcapng"
    for words in (("--service", "nosuch"), ("--for", "2h"), ("--from", "x", "--service", "component")):
        assert wall.run("capture", *words, path, check=False).returncode in (1, 2)
        assert not path.exists()
    done = subprocess.run([BUILD / "bin/xmppwallctl", "--run-dir", tmp_path, "capture", path], capture_output=True, text=True, timeout=10)
    assert done.returncode == 3 and not path.exists()
