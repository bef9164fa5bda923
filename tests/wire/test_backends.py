# SPDX-License-Identifier: BSD-2-Clause
"""Several servers by domain (backends.conf): who is led where, what becomes of a server that does not answer, and what no client
and no broken server can bring about."""
import os
import signal
import socket
import threading
import time

import pytest

from deploy import RULES, Names, another_prosody, example
from lab import wait_for
from liar import HEADER, STARTTLS_ONLY
from raw import STARTTLS, RawClient, header

FIREWALL = {4: "192.0.2.1", 6: "2001:db8:1::1"}
USERS = {"juliet": "balcony", "romeo": "orchard"}


@pytest.fixture(scope="module")
def verona2(lab, prosody):
    """Verona's second server, with accounts of its own."""
    leaf = lab.folder / "leaves" / "verona.example.crt"
    return another_prosody(lab, "verona-2", "verona.example", ["198.51.100.30", "2001:db8:2::30"], leaf, USERS)


@pytest.fixture
def names(lab):
    made = Names(lab, lab.firewall, "host-record=xmpp.mantua.example,198.51.100.20,2001:db8:2::20")
    yield made
    made.close()


def rows(wall):
    return {(r["backend"], r["server"]): r for r in wall.ctl("backends")["backends"]}


def wait_state(wall, server, state, seconds=20):
    return wait_for(lambda: next((r for r in rows(wall).values() if r["server"] == server and r["state"] == state), None),
                    seconds, f"{server} to be {state}")


def where(wall, jid):
    return [s["server"] for s in wall.sessions() if s["jid"].startswith(jid)]


def attention(wall):
    return [line for line in wall.ctl("status")["attention"] if line.startswith("backend ")]


def counter(wall, name):
    return wall.ctl("status")["counters"].get(name, 0)


def backends(text, more=""):
    return f"""
service c2s {{
    listen tcp {{ 5222, 5223 }}; listen on 192.0.2.1, 2001:db8:1::1;
    certificates "certs"; {more}
    {text}
""" + "\nchain inbound { hook c2s; policy accept; }\n"


# ---- the example ----

def test_by_domain(verona2, prosody, ejabberd, names, user, new_wall):
    """backends.conf: each domain to its own server, by address and by name, IPv4 and IPv6."""
    wall = new_wall(example("deploy/backends.conf"), **RULES).start("--no-firewall")
    for server in ("198.51.100.10:5222", "198.51.100.30:5222", "xmpp.mantua.example:5223"):
        assert wait_state(wall, server, "up")["why"] == ""
    juliet = user("juliet", prosody, 11, address=FIREWALL[4])
    tybalt = user("tybalt", ejabberd, 12, version=6, address=FIREWALL[6], direct=True)
    assert where(wall, "juliet@") == ["198.51.100.10"]
    assert where(wall, "tybalt@")[0] in ("198.51.100.20", "2001:db8:2::20")
    assert {k[1]: r["sessions"] for k, r in rows(wall).items()} == {
        "198.51.100.10:5222": 1, "198.51.100.30:5222": 0, "xmpp.mantua.example:5223": 1}
    juliet.say(juliet.jid, "casino bonus")
    assert wall.event(rule="spam")["dest_ip"] == "198.51.100.10"
    assert tybalt.alive() and "backend verona, mantua" in wall.run("status").stdout


def test_one_hangs_and_comes_back(verona2, prosody, names, user, new_wall):
    """The server stands still: it is seen, told, passed over; then it is used again, and nobody was cut off."""
    wall = new_wall(example("deploy/backends.conf"), **RULES).start("--no-firewall")
    wait_state(wall, "198.51.100.10:5222", "up")
    juliet = user("juliet", prosody, 11, address=FIREWALL[4])
    prosody.process.kill(signal.SIGSTOP)
    try:
        assert wait_state(wall, "198.51.100.10:5222", "down")["why"] == "no answer in time"
        assert attention(wall) == ["backend verona: server 198.51.100.10:5222 is down: no answer in time"]
        told = [e for e in wall.ctl("events", "-n", "50") if e["event_type"] == "backend"][-1]
        assert told["backend"] == {"name": "verona", "server": "198.51.100.10:5222", "state": "down", "why": "no answer in time"}
        assert (told["dest_ip"], told["dest_port"]) == ("198.51.100.10", 5222)
        romeo = user("romeo", prosody, 12, address=FIREWALL[4])
        assert where(wall, "romeo@") == ["198.51.100.30"] and romeo.alive()
    finally:
        prosody.process.kill(signal.SIGCONT)
    wait_state(wall, "198.51.100.10:5222", "up")
    wait_for(lambda: not attention(wall), 5, "status to forget it")
    nurse = user("nurse", prosody, 13, address=FIREWALL[4])
    assert where(wall, "nurse@") == ["198.51.100.10"] and nurse.alive() and juliet.alive()
    assert counter(wall, "backend.down") >= 1 and counter(wall, "backend.up") >= 2


def test_refused_before_a_check_saw_it(verona2, prosody, user, new_wall):
    """A session whose server refuses goes on to the next one at once; the client notices nothing."""
    wall = new_wall(backends("""upstream backend verona; }
        backend verona { servers 198.51.100.10:9, 198.51.100.10:7, 198.51.100.30:5222; check off; }""")).start("--no-firewall")
    juliet = user("juliet", prosody, 11, address=FIREWALL[4])
    assert where(wall, "juliet@") == ["198.51.100.30"] and juliet.alive()
    assert counter(wall, "backend.failover") == 2


def test_no_way_there(lab, verona2, prosody, new_wall):
    """Where the kernel itself knows no way the next server is asked, before TLS and behind it."""
    lab.firewall.run("ip", "route", "add", "unreachable", "198.51.100.77")
    try:
        wall = new_wall(backends("""tls optional; upstream backend verona; }
            backend verona { servers 198.51.100.77:5222, 198.51.100.30:5222; check off; }""")).start("--no-firewall")
        with RawClient(lab, prosody, address=FIREWALL[4]) as raw:
            raw.starttls().open()
        assert counter(wall, "backend.failover") == 2
    finally:
        lab.firewall.run("ip", "route", "del", "unreachable", "198.51.100.77")


def test_resumed_at_the_same_server(verona2, prosody, user, new_wall):
    """roundrobin would lead the next connection elsewhere, where the session is unknown."""
    wall = new_wall(backends("""upstream backend verona; }
        backend verona { servers 198.51.100.10:5222, 198.51.100.30:5222; balance roundrobin; check tcp; }""")).start("--no-firewall")
    wait_state(wall, "198.51.100.30:5222", "up")
    clients = [user("juliet", prosody, 11, address=FIREWALL[4], plugins=["xep_0198"], resource=f"r{i}") for i in range(2)]
    for client in clients:
        client.event("sm_enabled")
    assert sorted(where(wall, "juliet@")) == ["198.51.100.10", "198.51.100.30"]
    client = clients[0]
    for _ in range(4):
        client.mark()
        client.ask("cut")
        client.ask("resume")
        assert client.event("session_resumed", "session_start", "sm_failed", seconds=20)["event"] == "session_resumed"
    assert clients[1].alive()


def test_reload(verona2, prosody, names, user, new_wall):
    """What is held of a server survives a reload; sessions stay where they are; a server taken out gets nobody."""
    wall = new_wall(example("deploy/backends.conf"), **RULES).start("--no-firewall")
    before = wait_state(wall, "198.51.100.10:5222", "up")
    juliet = user("juliet", prosody, 11, address=FIREWALL[4])
    wall.write(**{"xmppwall.conf": example("deploy/backends.conf").replace("5222, 198.51.100.30:5222", "5222")})
    wall.ctl("reload")
    row = rows(wall)["verona", "198.51.100.10:5222"]
    assert row["state"] == "up" and row["checks"] >= before["checks"] and row["sessions"] == 1
    assert ("verona", "198.51.100.30:5222") not in rows(wall) and juliet.alive()
    wall.write(**{"xmppwall.conf": example("deploy/backends.conf").replace("198.51.100.10:5222, ", "")})
    wall.ctl("reload")
    romeo = user("romeo", prosody, 12, address=FIREWALL[4])
    assert where(wall, "romeo@") == ["198.51.100.30"] and romeo.alive() and juliet.alive()


def test_names_that_do_not_resolve(ejabberd, names, user, new_wall):
    """Down with the reason, up as soon as the name means something; what it meant stays while the name server is away."""
    names.say("host-record=other.example,198.51.100.20")
    wall = new_wall(backends("""upstream backend mantua; }
        backend mantua { servers "xmpp.mantua.example:5222"; check tcp every 500ms; resolve 1s; }""")).start("--no-firewall")
    assert "does not resolve" in wait_for(
        lambda: (r := wait_state(wall, "xmpp.mantua.example:5222", "down"))["why"].startswith("its name does") and r, 10, "why")["why"]
    names.say("host-record=xmpp.mantua.example,198.51.100.20")
    assert wait_state(wall, "xmpp.mantua.example:5222", "up")["addresses"] == ["198.51.100.20"]
    names.process.close()
    wait_for(lambda: "error" in wall.process.text() and "xmpp.mantua.example" in wall.process.text(), 10, "a failed lookup")
    assert user("juliet", ejabberd, 11, address=FIREWALL[4]).alive()
    assert rows(wall)["mantua", "xmpp.mantua.example:5222"]["state"] == "up"


def test_upgrade(verona2, prosody, names, user, new_wall):
    """Another child takes over: it knows the names, checks for itself, and the old one's sessions stay."""
    wall = new_wall(example("deploy/backends.conf"), **RULES).start("--no-firewall")
    wait_state(wall, "xmpp.mantua.example:5223", "up")
    juliet = user("juliet", prosody, 11, address=FIREWALL[4])
    wall.ctl("upgrade")
    for server in ("198.51.100.10:5222", "198.51.100.30:5222", "xmpp.mantua.example:5223"):
        wait_state(wall, server, "up")
    romeo = user("romeo", prosody, 12, address=FIREWALL[4])
    juliet.say(romeo.jid, "still here")
    romeo.body("still here")
    assert {r["sessions"] for r in rows(wall).values()} == {0, 1}


# ---- servers that lie ----

class Liar:
    """A server that does talk(connection) with each that comes."""

    def __init__(self, lab, talk, port=7781, address="198.51.100.10"):
        self.listener = lab.server.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(100)
        self.talk, self.over, self.held = talk, False, []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.held.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        try:
            self.talk(connection)
        except OSError:
            pass

    def close(self):
        self.over = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.held:
            connection.close()


def say_and_wait(text):
    def talk(connection):
        connection.recv(4096)
        connection.sendall(text.encode())
        while connection.recv(4096):
            pass
    return talk


def flood(connection):
    connection.recv(4096)
    connection.sendall(HEADER.encode())
    while True:
        connection.sendall(b"<stream:features>" + b"<x>" * 20 + b"</x>" * 20 + b" " * 4096)


def spaces(connection):
    connection.sendall(HEADER.encode())
    while True:
        connection.sendall(b" " * 4096)


LIARS = {
    "silent": (lambda c: c.recv(4096) and c.recv(4096), "no answer in time"),
    "hangs-up": (lambda c: c.close(), None),
    "http": (say_and_wait("HTTP/1.1 400 Bad Request\r\n\r\n"), None),
    "flood": (flood, None),
    "spaces": (spaces, "it talks without end"),
    "host-unknown": (say_and_wait(HEADER + "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"),
                     "stream error host-unknown"),
    "long-word": (say_and_wait(HEADER + "<stream:error><x" + "\u00e9" * 40 + "/></stream:error>"), "stream error x" + "\u00e9" * 19),
    "no-starttls": (say_and_wait(HEADER + "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></stream:features>"),
                    "it offers no STARTTLS"),
    "injection": (say_and_wait(HEADER + f"<stream:features>{STARTTLS_ONLY}</stream:features>"
                               "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><stream:features/>"), None),
    "unfinished": (say_and_wait(HEADER + "<stream:features><a"), "no answer in time"),
    "other-stream": (say_and_wait(HEADER.replace("jabber:client", "jabber:server")), "a stream, but not one for clients"),
}


def cpu(wall):
    total = 0
    for pid in wall.proxies():
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / 100


def descriptors(wall):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in wall.proxies())


@pytest.mark.parametrize("name", LIARS)
def test_servers_that_lie(lab, prosody, user, new_wall, name):
    """Each is found out within the check's time, costs next to nothing, and the next server is asked."""
    talk, why = LIARS[name]
    liar = Liar(lab, talk)
    try:
        wall = new_wall(backends("""upstream backend verona; timeouts { connect 2s; } }
            backend verona { domains "verona.example"; servers 198.51.100.10:7781, 198.51.100.10:5222;
                             check stream every 300ms timeout 700ms rise 1 fall 1; }""")).start("--no-firewall")
        row = wait_state(wall, "198.51.100.10:7781", "down")
        assert row["why"] and (why is None or row["why"] == why), row
        wait_state(wall, "198.51.100.10:5222", "up")
        begun, used, held = time.monotonic(), cpu(wall), descriptors(wall)
        assert user("juliet", prosody, 11, address=FIREWALL[4]).alive()
        assert where(wall, "juliet@") == ["198.51.100.10"]
        wait_for(lambda: rows(wall)["verona", "198.51.100.10:7781"]["checks"] >= row["checks"] + 8, 20, "more checks")
        assert cpu(wall) - used < 0.5 * (time.monotonic() - begun) + 0.5
        assert rows(wall)["verona", "198.51.100.10:7781"]["state"] == "down" and len(wall.proxies()) == 1
        assert descriptors(wall) <= held + 4  # juliet's two, a check under way on each server
    finally:
        liar.close()


def test_a_stranger_s_certificate(lab, prosody, ejabberd, new_wall):
    """A server that cannot prove who it is gets no sessions: 'check stream' goes through TLS."""
    wall = new_wall(backends("""upstream backend verona; }
        backend verona { domains "verona.example"; servers 198.51.100.20:5223 tls, 198.51.100.10:5222;
                         check stream every 300ms timeout 2s; }""")).start("--no-firewall")
    row = wait_state(wall, "198.51.100.20:5223", "down")
    assert "certificate" in row["why"] or "hostname" in row["why"] or "stream error" in row["why"], row
    wait_state(wall, "198.51.100.10:5222", "up")


def test_a_client_cannot_take_a_server_from_others(lab, prosody, user, new_wall):
    """Sessions that fail (here: the server knows no such host) change nothing that is held of the server."""
    wall = new_wall(backends("""upstream backend verona; }
        backend verona { domains "verona.example", "*.verona.example"; servers 198.51.100.10:5222;
                         check stream every 300ms fall 1; }""")).start("--no-firewall")
    wait_state(wall, "198.51.100.10:5222", "up")
    for i in range(20):
        with RawClient(lab, prosody, address=FIREWALL[4]).starttls() as raw:
            raw.send(header(f"no{i}.verona.example"))
            assert "<stream:error" in raw.read_all(10)
    assert user("juliet", prosody, 11, address=FIREWALL[4]).alive()
    assert counter(wall, "backend.down") == 0 and counter(wall, "backend.none") == 0


# ---- nobody is there ----

def test_none_is_up(lab, prosody, new_client, new_wall):
    """A stream error with its header, counted; and again as soon as one is up."""
    wall = new_wall(backends("""upstream backend verona; }
        backend verona { servers 198.51.100.10:7799; check tcp every 300ms rise 1; }""")).start("--no-firewall")
    assert "refused" in wait_state(wall, "198.51.100.10:7799", "down")["why"]
    juliet = new_client("juliet")
    juliet.dial(prosody, "juliet", 11, address=FIREWALL[4])
    juliet.stanza("remote-connection-failed", seconds=15)
    assert counter(wall, "backend.none") >= 1
    liar = Liar(lab, lambda c: c.recv(1), port=7799)
    try:
        wait_state(wall, "198.51.100.10:7799", "up")
    finally:
        liar.close()


def test_all_hang(lab, prosody, new_client, new_wall):
    """Nobody waits for ever: each server has the time to connect, then the client is told."""
    liars = [Liar(lab, LIARS["silent"][0], port) for port in (7781, 7782)]
    try:
        wall = new_wall(backends("""upstream backend verona; timeouts { connect 1s; } }
            backend verona { servers 198.51.100.10:7781, 198.51.100.10:7782; check off; }""")).start("--no-firewall")
        juliet, begun = new_client("juliet"), time.monotonic()
        juliet.dial(prosody, "juliet", 11, address=FIREWALL[4])
        juliet.stanza("remote-connection-failed", seconds=10)
        assert time.monotonic() - begun > 1.5 and counter(wall, "backend.failover") >= 1
        assert all(liar.held for liar in liars)
    finally:
        for liar in liars:
            liar.close()


def test_a_thousand_while_none_is_up(lab, prosody, new_wall):
    """Each hears at once that there is no server, and nothing is left of it; between them nothing runs."""
    wall = new_wall(backends("""tls optional; sessions-per-address 0; upstream backend verona; }
        backend verona { servers 198.51.100.10:7799, 198.51.100.30:7799; check tcp every 500ms; }""")).start("--no-firewall")
    wait_state(wall, "198.51.100.10:7799", "down")
    wait_state(wall, "198.51.100.30:7799", "down")
    for _ in range(10):
        some = [RawClient(lab, prosody, address=FIREWALL[4]) for _ in range(100)]
        for raw in some:
            raw.send(header("verona.example"))
        for raw in some:
            said = raw.read_all(10)
            assert said.startswith("<?xml") and "<stream:stream" in said and "remote-connection-failed" in said
            raw.close()
    assert counter(wall, "backend.none") == 1000
    wait_for(lambda: counter(wall, "session.active") == 0, 10, "the sessions to be gone")
    begun, used = time.monotonic(), cpu(wall)
    checks = rows(wall)["verona", "198.51.100.10:7799"]["checks"]
    wait_for(lambda: rows(wall)["verona", "198.51.100.10:7799"]["checks"] >= checks + 4, 15, "checks")
    assert cpu(wall) - used < 0.2 * (time.monotonic() - begun) + 0.1


# ---- which domain ----

class Recorder(Liar):
    """Notes the headers it gets."""

    def __init__(self, lab, port):
        self.heard = []
        super().__init__(lab, self.note, port)

    def note(self, connection):
        self.heard.append(connection.recv(4096).decode())
        connection.sendall(b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' id='1' version='1.0' "
                           b"xmlns:stream='http://etherx.jabber.org/streams'><stream:features/>")
        while connection.recv(4096):
            pass


DISGUISES = {
    "verona.example": "a", "VERONA.Example": "a", "verona.example.": "a", "\uff56erona.example": "a", "verona\u3002example": "a",
    "x.verona.example": "b", "deep.er.VERONA.example.": "b", "b\u00fccher.example": "c", "B\u00dcCHER.example": "c",
    "xn--bcher-kva.example": "c", "XN--BCHER-KVA.EXAMPLE.": "c", "bu\u0308cher.example": "c", "special.verona.example": "c",
    "evil.example": None, "notverona.example": None, "verona.example.evil.example": None, ".verona.example": None,
    "verona.example..": None, "verona.example@x": None, "": None, "b\u00fccher.example/x": None,
}


def test_disguised_domains(lab, prosody, new_wall):
    """Every spelling goes where the server's own reading of it would; what nobody has is host-unknown."""
    servers = {"a": Recorder(lab, 7791), "b": Recorder(lab, 7792), "c": Recorder(lab, 7793)}
    try:
        wall = new_wall(backends("""tls optional; upstream backend a, b, c; }
            backend a { domains "verona.example"; servers 198.51.100.10:7791 plain; check off; }
            backend b { domains "*.verona.example"; servers 198.51.100.10:7792 plain; check off; }
            backend c { domains "B\u00fccher.example", "special.verona.example"; servers 198.51.100.10:7793 plain; check off; }
            """)).start("--no-firewall")
        for spelled, wanted in DISGUISES.items():
            before = {k: len(s.heard) for k, s in servers.items()}
            with RawClient(lab, prosody, address=FIREWALL[4]) as raw:
                raw.send(header(spelled))
                if wanted is None:
                    said = raw.read_all(10)
                    assert "<stream:stream" in said and "<stream:error" in said, (spelled, said)
                    assert "host-unknown" in said or "improper-addressing" in said, (spelled, said)
                else:
                    raw.read_until("<stream:features")
            got = [k for k, s in servers.items() if len(s.heard) > before[k]]
            assert got == ([wanted] if wanted else []), spelled
        assert counter(wall, "refused.header.domain") >= 5
    finally:
        for server in servers.values():
            server.close()


def test_another_domain_behind_tls(lab, prosody, ejabberd, new_wall):
    """What was said in clear text is forgotten, the server chosen by it, too."""
    servers = {"a": Recorder(lab, 7791), "b": Recorder(lab, 7792)}
    try:
        new_wall(backends("""tls optional; upstream backend a, b; }
            backend a { domains "mantua.example"; servers 198.51.100.10:7791 plain; check off; }
            backend b { domains "verona.example"; servers 198.51.100.10:7792 plain; check off; }""")).start("--no-firewall")
        with RawClient(lab, prosody, address=FIREWALL[4]) as raw:
            raw.send(header("mantua.example"))
            raw.read_until("</stream:features>")
            raw.send(STARTTLS)
            raw.read_until("<proceed[^>]*>")
            raw.wrap()
            raw.send(header("verona.example"))
            raw.read_until("<stream:features")
        assert len(servers["a"].heard) == 1 and len(servers["b"].heard) == 1
        assert "to='verona.example'" in servers["b"].heard[0].replace('"', "'")
    finally:
        for server in servers.values():
            server.close()


def test_the_name_in_tls_does_not_count(lab, prosody, ejabberd, new_wall):
    """SNI says verona, the header mantua: mantua's server is asked, as a server without us would be."""
    servers = {"a": Recorder(lab, 7791), "b": Recorder(lab, 7792)}
    try:
        new_wall(backends("""upstream backend a, b; }
            backend a { domains "verona.example"; servers 198.51.100.10:7791 plain; check off; }
            backend b { domains "mantua.example"; servers 198.51.100.10:7792 plain; check off; }""")).start("--no-firewall")
        with RawClient(lab, prosody, address=FIREWALL[4], port=5223).wrap() as raw:
            raw.send(header("mantua.example"))
            raw.read_until("<stream:features")
        assert len(servers["b"].heard) == 1 and not servers["a"].heard
        with RawClient(lab, prosody, address=FIREWALL[4], port=5223).wrap() as raw:
            raw.send(header("").replace(" to=''", ""))  # without "to" the name in TLS is all there is
            raw.read_until("<stream:features")
        assert len(servers["a"].heard) == 1
        with RawClient(lab, prosody, address=FIREWALL[4], port=5223).wrap() as raw:
            raw.send(header("evil.example"))
            assert "host-unknown" in raw.read_all(10)
    finally:
        for server in servers.values():
            server.close()
