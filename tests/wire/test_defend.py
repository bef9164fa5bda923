# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel lets through of connections: rates by address and by network, connections at once, classes, penalties;
full meters, reloads and other people's floods harm nobody who stands."""
import contextlib
import select
import socket
import threading
import time

import pytest

import policy
from conftest import USERS
from lab import client_address, run, wait_for
from servers import Prosody

NETS = {4: "192.0.2.0/24", 6: "2001:db8:1::/48"}


def defend(text, sets="", **service):
    return policy.service(**service) + sets + "defend {\n" + text + "\n}\n"


def dial(lab, server, number, version=4, timeout=0.4):
    """A connection, or how it was refused: "drop", "reset"."""
    try:
        return lab.client.connect(server.addresses[version], 5222, source=client_address(number, version), timeout=timeout)
    except TimeoutError:
        return "drop"
    except OSError:
        return "reset"


def attempts(lab, server, number, count, version=4, hold=False):
    """How many of so many came through; with hold the sockets themselves."""
    made = [dial(lab, server, number, version) for _ in range(count)]
    got = [s for s in made if not isinstance(s, str)]
    if hold:
        return got, [s for s in made if isinstance(s, str)]
    for s in got:
        s.close()
    return len(got)


def opens(lab, server, number, version=4):
    s = dial(lab, server, number, version)
    if isinstance(s, str):
        return False
    s.close()
    return True


def counted(wall, name="others"):
    return wall.ctl("status")["defend"][name]


def elements(wall, name):
    done = wall.namespace.run("nft", "list", "set", "inet", "xmppwall", name)
    return done.stdout.count("expires") if "expires" in done.stdout else done.stdout.count("ct count")


@pytest.mark.parametrize("version", [4, 6])
def test_rate_of_an_address(lab, prosody, new_wall, version):
    wall = new_wall(defend("connections { rate 1/minute burst 3; }")).start()
    assert attempts(lab, prosody, 15, 5, version) == 3
    assert opens(lab, prosody, 16, version), "another address has a rate of its own"
    seen = counted(wall)
    assert seen["rate"] >= 2 and seen["full"] == 0 and seen["entries"] == 2
    assert wall.ctl("status")["counters"]["defend.others.rate"] >= 2


def test_rate_of_a_network(lab, prosody, new_wall):
    wall = new_wall(defend("connections { rate 1/minute burst 10; rate 1/minute burst 4 per /24 /48; }")).start()
    assert sum(opens(lab, prosody, n) for n in range(12, 20)) == 4
    assert sum(opens(lab, prosody, n, 6) for n in range(12, 20)) == 4
    assert counted(wall)["rate"] >= 8


def test_rate_of_all(lab, prosody, new_wall):
    """/0 /0: both families together."""
    new_wall(defend("connections { rate 1/hour burst 5 per /0 /0; }")).start()
    assert sum(opens(lab, prosody, n, v) for n in range(12, 17) for v in (4, 6)) == 5


def test_same_64_is_one_peer(lab, prosody, new_wall):
    new_wall(defend("connections { rate 1/minute burst 2; }")).start()
    more = ["2001:db8:1:15::99", "2001:db8:1:15::100"]
    for address in more:
        run("ip", "-n", lab.client.name, "addr", "add", address + "/128", "dev", "eth0", "nodad")
    made = 0
    try:
        for source in [client_address(15, 6)] + more:
            with contextlib.suppress(OSError):
                lab.client.connect(prosody.addresses[6], 5222, source=source, timeout=0.4).close()
                made += 1
    finally:
        for address in more:
            run("ip", "-n", lab.client.name, "addr", "del", address + "/128", "dev", "eth0")
    assert made == 2


@pytest.mark.parametrize("version", [4, 6])
def test_connections_at_once(lab, prosody, new_wall, version):
    wall = new_wall(defend("connections { concurrent 3; }")).start()
    got, refused = attempts(lab, prosody, 15, 5, version, hold=True)
    assert len(got) == 3 and refused == ["reset", "reset"]
    assert opens(lab, prosody, 16, version)
    assert counted(wall)["concurrent"] == 2
    got.pop().close()
    wait_for(lambda: opens(lab, prosody, 15, version), 10, "a place that was left to be free")
    for s in got:
        s.close()


def test_classes_have_their_own_numbers(lab, prosody, new_wall):
    wall = new_wall(defend(
        "connections { rate 1/hour burst 2; concurrent 2; }"
        "connections nat { from @nat; rate 1/hour burst 6; concurrent 4; }"
        "connections friends { from @friends; }",
        sets="set nat { type address; elements = { 192.0.2.16, 2001:db8:1:16::/64 }; }"
             "set friends { type address; file \"lists/friends.txt\"; }"), **{"lists/friends.txt": "192.0.2.17\n"}).start()
    for version in (4, 6):
        got, refused = attempts(lab, prosody, 15, 3, version, hold=True)
        assert len(got) == 2 and refused == ["drop"]
        more, refused = attempts(lab, prosody, 16, 8, version, hold=True)
        assert len(more) == 4 and refused == ["reset", "reset", "drop", "drop"]
        for s in got + more:
            s.close()
    assert attempts(lab, prosody, 17, 12) == 12
    assert counted(wall, "friends")["rate"] == 0
    assert attempts(lab, prosody, 18, 4) == 2
    # A list that is edited is followed at once.
    wall.ctl("list", "add", "friends", "192.0.2.18")
    assert attempts(lab, prosody, 18, 6) == 6
    wall.ctl("list", "del", "friends", "192.0.2.18")
    assert not opens(lab, prosody, 18)


def test_penalty_runs_from_the_first_attempt_too_many(lab, prosody, new_wall):
    wall = new_wall(defend("connections { rate 10/second burst 2; penalty 3s; }")).start()
    start = time.monotonic()
    wait_for(lambda: not opens(lab, prosody, 15), 5, "the rate to be used up")
    # Trying on and on does not prolong it.
    wait_for(lambda: opens(lab, prosody, 15), 8, "the penalty to end")
    assert 2 < time.monotonic() - start < 6
    seen = counted(wall)
    assert seen["penalty"] > 0 and opens(lab, prosody, 16)


def test_full_meter_lets_pass(lab, prosody, new_wall):
    """Who fills the meter locks nobody out: rates of those it holds hold on, others pass and are counted."""
    wall = new_wall(defend("connections { rate 1/hour burst 2; penalty 1m; concurrent 5; } entries 1024;")).start()
    # 1,024 addresses, as a flood of spoofed ones would enter them.
    lines = "".join(f"add element inet xmppwall rate_others_32_1h_2_e1024_4 {{ 10.{i // 250}.{i % 250}.1 limit rate over "
                    "1/hour burst 2 packets }\n" for i in range(1024))
    wall.namespace.run("nft", "-f", "-", text=lines)
    assert attempts(lab, prosody, 15, 5) == 5
    seen = counted(wall)
    assert seen["full"] >= 5 and seen["rate"] == 0
    wait_for(lambda: any("full" in line for line in wall.ctl("status")["attention"]), 25, "a word about the full meter")


def test_standing_sessions_are_not_touched(lab, prosody, user, new_wall):
    wall = new_wall(defend("connections { rate 1/hour burst 2; concurrent 2; penalty 1m; }")).start()
    juliet, romeo = user("juliet", prosody, 15), user("romeo", prosody, 15)
    assert attempts(lab, prosody, 15, 4) == 0
    juliet.say(romeo.jid, "still here")
    romeo.body("still here")
    # Other numbers come into force, sessions stay, and the sessions that stand are not new.
    wall.write(**{"xmppwall.conf": defend("connections { rate 1/hour burst 20; concurrent 20; }")})
    wall.ctl("reload")
    assert attempts(lab, prosody, 15, 4) == 4
    juliet.say(romeo.jid, "and here")
    romeo.body("and here")
    assert juliet.alive() and romeo.alive()
    # What did not change goes on as it was.
    wall.ctl("reload")
    assert elements(wall, "rate_others_32_1h_20_4") == 1


def test_known_addresses_come_through_a_flood_of_their_network(lab, prosody, user, new_wall):
    text = defend("connections { rate 1/hour burst 50; rate 1/hour burst 3 per /24 /48; }"
                  "connections regulars { from authenticated 1h; rate 10/second burst 50; }")
    wall = new_wall(text).start()
    juliet = user("juliet", prosody, 15)
    juliet6 = user("romeo", prosody, 15, version=6)
    wait_for(lambda: elements(wall, "known4") + elements(wall, "known6_64") >= 2, 5, "the addresses to be known")
    for version in (4, 6):
        while sum(opens(lab, prosody, n, version) for n in range(20, 24)):
            pass
        assert not opens(lab, prosody, 16, version)
        assert opens(lab, prosody, 15, version), "who logged in before comes in"
    # Kept: over a flush by somebody else, and over a restart of the daemon.
    wall.namespace.run("nft", "flush", "ruleset")
    wait_for(lambda: wall.namespace.run("nft", "list", "set", "inet", "xmppwall", "known4", check=False).stdout.count("expires"),
             3, "the set to come back")
    for client in (juliet, juliet6):
        client.close()
    wall.process.close(10)
    wall.namespace.run("nft", "delete", "table", "inet", "xmppwall")
    wall.start()
    assert elements(wall, "known4") == 1 and elements(wall, "known6_64") == 1
    # An address nobody logged in from is not known, however often it came.
    assert "192.0.2.20" not in wall.namespace.run("nft", "list", "set", "inet", "xmppwall", "known4").stdout


def test_failed_login_makes_nobody_known(lab, prosody, new_client, new_wall):
    wall = new_wall(defend("connections regulars { from authenticated 1h; }")).start()
    client = new_client("juliet")
    client.dial(prosody, "juliet", 15, password="wrong")
    client.event("failed", "disconnected", seconds=20)
    assert elements(wall, "known4") == 0


def test_own_connections_are_not_counted(lab, prosody, user, new_wall):
    """The server's own way out, and what the proxy dials itself, in front of the tightest numbers."""
    wall = new_wall(defend("connections { rate 1/hour burst 2; concurrent 2; } connections servers { from @servers; }",
                           sets="set servers { type address; elements = { 198.51.100.0/24 }; }")).start()
    lab.client.run("true")
    listener = lab.client.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((client_address(11), 5222))
    listener.listen(50)
    made = []
    with contextlib.suppress(OSError):
        made = [lab.server.connect(client_address(11), 5222, timeout=2) for _ in range(8)]
    assert len(made) == 8
    for s in made:
        s.close()
    listener.close()
    assert counted(wall)["rate"] == 0
    for number in (12, 13, 14):
        user("juliet", prosody, number, resource=f"r{number}")


def test_spoofed_syns_cost_their_owner_a_moment(lab, prosody, new_wall):
    """Without synproxy the kernel cannot know who sent a SYN: whoever is impersonated waits until the burst is free again,
    and no longer than the penalty."""
    wall = new_wall(defend("connections { rate 5/second burst 10; penalty 2s; }")).start()
    raw = lab.client.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    packets = [syn(client_address(15), prosody.addresses[4], 2000 + n, 5222) for n in range(300)]
    for p in packets:
        raw.sendto(p, (prosody.addresses[4], 0))
    assert counted(wall)["rate"] + counted(wall)["penalty"] > 200
    start = time.monotonic()
    wait_for(lambda: opens(lab, prosody, 15), 6, "the owner of the address to come in again")
    assert time.monotonic() - start < 5
    raw.close()


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(source, target, sport, dport, sequence=1):
    """A SYN as anybody can write it."""
    src, dst = socket.inet_aton(source), socket.inet_aton(target)
    tcp = sport.to_bytes(2, "big") + dport.to_bytes(2, "big") + sequence.to_bytes(4, "big") + bytes(4) + b"\x50\x02\xff\xff" + bytes(4)
    sum_ = checksum(src + dst + b"\0\x06" + len(tcp).to_bytes(2, "big") + tcp)
    tcp = tcp[:16] + sum_.to_bytes(2, "big") + tcp[18:]
    ip = b"\x45\0" + (20 + len(tcp)).to_bytes(2, "big") + bytes(4) + b"\x40\x06\0\0" + src + dst
    return ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:] + tcp


def test_counters_and_flush(lab, prosody, new_wall):
    """Somebody's flush: all of it is back, numbers go on."""
    wall = new_wall(defend("connections { rate 1/minute burst 2; concurrent 9; }")).start()
    attempts(lab, prosody, 15, 4)
    before = counted(wall)["rate"]
    assert before >= 2
    wall.namespace.run("nft", "flush", "ruleset")
    wait_for(lambda: wall.namespace.run("nft", "list", "chain", "inet", "xmppwall", "rates_others_4", check=False).returncode == 0,
             3, "the table to come back")
    assert attempts(lab, prosody, 15, 4) == 2
    assert counted(wall)["rate"] >= before + 2


def test_attention_while_much_is_refused(lab, prosody, new_wall):
    wall = new_wall(defend("connections { rate 1/hour burst 1; }")).start()
    raw = lab.client.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            for n in range(50):
                raw.sendto(syn(client_address(20), prosody.addresses[4], 3000 + n, 5222), (prosody.addresses[4], 0))
            stop.wait(0.2)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        wait_for(lambda: any("class others" in line for line in wall.ctl("status")["attention"]), 30, "a line for the operator")
    finally:
        stop.set()
        thread.join()
        raw.close()


# ---- synproxy ----

SYNPROXY = "connections { rate 1/hour burst 6; concurrent 4; } synproxy on;"
PLACES = {  # where peers dial, and how they come to the proxy
    "tproxy": (dict(), ("198.51.100.10", "2001:db8:2::10")),
    "redirect": (dict(intercept="redirect", upstream="upstream 198.51.100.10:5222 starttls;"), ("192.0.2.1", "2001:db8:1::1")),
    "none": (dict(intercept="none", upstream="upstream 198.51.100.10:5222 starttls;"), ("192.0.2.1", "2001:db8:1::1")),
}


@pytest.fixture
def strict(lab):
    """What synproxy needs of this host; put back behind the test."""
    keys = ("net.netfilter.nf_conntrack_tcp_loose", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_timestamps")
    before = [lab.firewall.run("sysctl", "-n", k).stdout.strip() for k in keys]
    for key, value in zip(keys, "011"):
        lab.firewall.run("sysctl", "-qw", f"{key}={value}")
    yield
    for key, value in zip(keys, before):
        lab.firewall.run("sysctl", "-qw", f"{key}={value}")


def half_open(lab):
    """Connections the proxies know whose handshake is not complete."""
    return lab.firewall.run("ss", "-Htn", "state", "syn-recv").stdout.count("\n")


@pytest.mark.parametrize("place", PLACES)
def test_synproxy_opens_what_completes(lab, prosody, user, new_wall, strict, place):
    how, addresses = PLACES[place]
    wall = new_wall(defend(SYNPROXY, **how)).start()
    for version, address in zip((4, 6), addresses):
        client = user("juliet", prosody, 15, version=version, address=address, resource=f"r{version}")
        other = user("romeo", prosody, 16, version=version, address=address, resource=f"r{version}")
        client.say(other.jid, "through the kernel's cookies")
        other.body("through the kernel's cookies")
        client.say(other.jid, "x" * 100000)
        other.body("x" * 100000)
        client.close()
        other.close()
    # A flood of SYNs in an honest client's name: the proxy sees none of them, nobody is counted for them.
    before = counted(wall)
    raw = lab.client.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for n in range(2000):
        raw.sendto(syn(f"10.9.{n // 250}.{n % 250}", addresses[0], 2000 + n, 5222), (addresses[0], 0))
        if n % 10 == 0:
            raw.sendto(syn(client_address(17), addresses[0], 2000 + n, 5222), (addresses[0], 0))
    raw.close()
    assert half_open(lab) == 0
    assert counted(wall)["rate"] == before["rate"]
    meter = wall.namespace.run("nft", "list", "set", "inet", "xmppwall", "rate_others_32_1h_6_4").stdout
    assert client_address(16) in meter and client_address(17) not in meter and "10.9." not in meter
    user("juliet", prosody, 17, address=addresses[0])


def heard(sockets):
    """How many got an answer, and how many a reset."""
    answers = resets = 0
    for s in select.select(sockets, [], [], 0)[0]:
        try:
            answers += bool(s.recv(10, socket.MSG_PEEK))
        except ConnectionResetError:
            resets += 1
            sockets.remove(s)
    return answers, resets


@pytest.mark.parametrize("place", PLACES)
def test_synproxy_counts_what_completes(lab, prosody, new_wall, strict, place):
    how, addresses = PLACES[place]
    wall = new_wall(defend(SYNPROXY, **how)).start()
    for version, address in zip((4, 6), addresses):
        held, resets = [], []
        for _ in range(8):
            s = lab.client.connect(address, 5222, source=client_address(18, version), timeout=2)
            s.sendall(b"<?xml version='1.0'?><stream:stream to='verona.example' xmlns='jabber:client' "
                      b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
            held.append(s)

        def settled():
            answers, gone = heard(held)
            resets.append(gone)
            return answers == 4 and sum(resets) == 4

        # The handshake is the kernel's; the proxy hears of four, two are over the number, two over the rate.
        wait_for(settled, 15, "four answers and four resets")
        for s in held:
            s.close()
    seen = counted(wall)
    assert seen["concurrent"] == 4 and seen["rate"] == 4


def test_synproxy_goes_without_where_it_cannot(lab, prosody, user, new_wall):
    """Connection tracking that takes up connections in their middle would cut everybody off: SYNs pass then, and are counted."""
    lab.firewall.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=1")
    wall = new_wall(defend("connections { rate 1/hour burst 3; } synproxy on;")).start()
    assert any("synproxy" in line for line in wall.ctl("status")["attention"])
    juliet = user("juliet", prosody, 15)
    assert attempts(lab, prosody, 16, 5) == 3
    try:
        lab.firewall.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0")
        wait_for(lambda: "synproxy mss" in wall.namespace.run("nft", "list", "table", "inet", "xmppwall").stdout, 5, "synproxy")
        assert not any("synproxy" in line for line in wall.ctl("status")["attention"])
        juliet.say(juliet.jid, "a session that stood before")
        juliet.body("a session that stood before")
        user("romeo", prosody, 17)
    finally:
        lab.firewall.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=1")


def test_synproxy_beside_the_inspector(lab, new_wall):
    """Inspected connections go without, and check says so."""
    wall = new_wall(defend("synproxy on;") + "service component { listen tcp 5347; mode inspect; tls none; }")
    done = wall.run("check", wall.config)
    assert "goes without synproxy" in done.stderr + done.stdout
    wall.write(**{"xmppwall.conf": "service component { listen tcp 5347; mode inspect; tls none; } defend { synproxy on; }"})
    done = wall.run("check", wall.config, check=False)
    assert done.returncode == 1 and "here is none" in done.stderr + done.stdout


def test_synproxy_before_a_server_on_this_host(lab, user, new_wall, strict):
    """The server sees its clients' own addresses, though the kernel made the handshake and the proxy the connection."""
    leaf = lab.authority.issue("rome.example", lab.folder / "leaves")
    server = Prosody(lab, lab.firewall, "rome.example", ["192.0.2.1", "2001:db8:1::1"], leaf, USERS)
    try:
        how = dict(intercept="redirect", upstream="upstream original starttls; source client;")
        wall = new_wall(defend(SYNPROXY, **how), certificates=[leaf]).start()
        for version in (4, 6):
            client = user("juliet", server, 15, version=version)
            client.say(client.jid, "at home")
            client.body("at home")
            client.close()
        assert client_address(15) in server.log_text()
        assert counted(wall)["rate"] == 0
    finally:
        server.close()
