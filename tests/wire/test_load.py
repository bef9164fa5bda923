# SPDX-License-Identifier: BSD-2-Clause
"""Sessions that chatter while everything around them changes or dies; every line is numbered."""
import os
import re
import signal
import threading

import pytest

from lab import wait_for
from liar import TRAP, VERONA, LyingServer
from raw import RawClient


def echo(c):
    """Sends back every numbered body it gets."""
    c.accept_login()
    rest = ""
    while chunk := c.socket.recv(65536):
        rest += chunk.decode()
        *numbers, rest = re.split("</body></message>", rest)
        for text in numbers:
            c.send(f"<message><body>{text.rsplit('>', 1)[1]}</body></message>")


class Chatter(threading.Thread):
    """One session that says numbers until told to stop, and knows which came back."""

    def __init__(self, raw):
        super().__init__(daemon=True)
        self.raw, self.said, self.heard, self.error = raw, 0, [], None
        self.stopping = False
        self.start()

    def run(self):
        try:
            while not self.stopping or len(self.heard) < self.said:
                if not self.stopping:
                    self.raw.socket.sendall(f"<message><body>{self.said}</body></message>".encode())
                    self.said += 1
                if self.said - len(self.heard) > 20 or self.stopping:
                    self.heard.append(int(re.search(r"<body>(\d+)<", self.raw.read_until("</message>", 10))[1]))
        except Exception as error:
            self.error = error

    def finish(self):
        wait_for(lambda: self.said > 20, 10, "twenty lines", self.is_alive)
        self.stopping = True
        self.join(15)
        assert not self.is_alive() and not self.error, self.error
        assert self.heard == list(range(self.said)) and self.said > 20


@pytest.fixture
def dial(lab):
    made = []

    def make(**keywords):
        made.append(RawClient(lab, VERONA, port=5322, **keywords))
        return made[-1]

    yield make
    for raw in made:
        raw.close()


@pytest.fixture
def fresh(lab, new_wall):
    return new_wall(TRAP.replace("idle 6s", "idle 1h").replace("login 4s", "login 60s") + """
set live { type keyword; file "lists/spam-words.txt"; }
chain more { hook clear; rule live { message text contains @live drop } }
""").start()


def test_reload_and_lists_under_load(lab, fresh, dial):
    """No session ends, no stanza is lost, none overtakes another."""
    with LyingServer(lab, echo):
        chatter = [Chatter(dial(source=f"192.0.2.{11 + n}").login()) for n in range(8)]
        config = fresh.config.read_text()
        for n in range(10):
            fresh.write(**{"xmppwall.conf": config + f'set round{n} {{ type keyword; elements = {{ "nobody says {n}" }}; }}\n'})
            assert fresh.ctl("reload")["changed"]
            for m in range(5):
                fresh.ctl("list", "add", "live", f"entry {n} {m}")
        for one in chatter:
            one.finish()


def test_certificates_renewed_under_load(lab, fresh, dial):
    with LyingServer(lab, echo):
        chatter = [Chatter(dial(source=f"192.0.2.{11 + n}").login()) for n in range(4)]
        serials = set()
        for n in range(3):
            leaf = lab.authority.issue("verona.example", lab.folder / f"renewed-{n}")
            fresh.certificate(leaf)
            fresh.ctl("reload")
            serials.add(dial().starttls().socket.getpeercert()["serialNumber"])
        assert len(serials) == 3
        (fresh.folder / "etc/certs/verona.example.key").write_text("half a key")
        assert fresh.run("reload", check=False).returncode == 1
        dial().starttls()
        for one in chatter:
            one.finish()


@pytest.mark.parametrize("victim", ["proxy", "daemon"])
def test_killed_under_load(lab, fresh, dial, victim):
    """Every socket dies with its process, at both ends; what comes next is served."""
    with LyingServer(lab, echo) as server:
        chatter = [Chatter(dial(source=f"192.0.2.{11 + n}").login()) for n in range(8)]
        wait_for(lambda: all(one.said > 20 for one in chatter), 5, "chatter")
        proxies = fresh.proxies()
        os.kill(proxies[0], signal.SIGKILL) if victim == "proxy" else fresh.process.kill()
        for one in chatter:
            one.join(5)
            assert one.error and not one.is_alive()
        wait_for(lambda: all(c.socket.fileno() < 0 for c in server.connections), 5, "the server's sockets")
        if victim == "daemon":
            fresh.process.popen.wait(5)
            fresh.start()
        wait_for(lambda: fresh.proxies() and fresh.proxies() != proxies, 5, "another proxy")
        Chatter(dial().login()).finish()
