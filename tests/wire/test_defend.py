# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel lets through of connections: rates by address and by network, connections at once, classes, penalties;
full meters, reloads and other people's floods harm nobody who stands."""
import contextlib
import socket
import threading
import time

import pytest

import policy
from lab import client_address, run, wait_for

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
    wait_for(lambda: elements(wall, "known4") + elements(wall, "known6") >= 2, 5, "the addresses to be known")
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
    assert elements(wall, "known4") == 1 and elements(wall, "known6") == 1
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
