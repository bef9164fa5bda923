# SPDX-License-Identifier: BSD-2-Clause
"""Other hands in our table: whatever they do to it is undone within a second, all bans are there then, and the tables of
others are never touched."""
import json
import socket
import time

import pytest

import policy
from lab import client_address, wait_for

MANY = 30000  # more than is compared in one go
FOREIGN = """
table inet foreign {
    set guests { type ipv4_addr; flags timeout; elements = { 198.51.100.1 timeout 1d } }
    chain in { type filter hook prerouting priority 5; policy accept; ip saddr @guests counter accept; }
}
table ip other {
    chain out { type filter hook output priority 5; policy accept; }
}
"""
DAMAGE = (
    ("flush", "ruleset"),
    ("delete", "table", "inet", "xmppwall"),
    ("flush", "table", "inet", "xmppwall"),
    ("flush", "chain", "inet", "xmppwall", "early"),
    ("flush", "set", "inet", "xmppwall", "block4"),
    ("delete", "element", "inet", "xmppwall", "block4", "{ 192.0.2.200 }"),
    ("delete", "element", "inet", "xmppwall", "block4_nets", "{ 203.0.113.0/28 }"),
    ("delete", "element", "inet", "xmppwall", "block6_64", "{ 2001:db8:5:: }"),
    ("add", "element", "inet", "xmppwall", "block4", "{ 192.0.2.201 }"),
    ("add", "element", "inet", "xmppwall", "block4_nets", "{ 192.0.2.0/28 }"),
    ("add", "element", "inet", "xmppwall", "loading", "{ tcp }"),
)
BANS = {4: {"192.0.2.200", "192.0.2.202", "203.0.113.0/28"}, 6: {"2001:db8:5::/64", "2001:db8:6::1", "2001:db8:7::/48"}}


@pytest.fixture
def banned(new_wall):
    wall = new_wall(policy.STANDARD).start()
    for bans in BANS.values():
        for address in bans:
            wall.ctl("ban", address, "--for", "1h")
    return wall


def request(wall, cmd, **args):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(wall.folder / "run/control.sock"))
        s.sendall(json.dumps({"cmd": cmd, "args": args}).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            data += s.recv(1 << 20)
    return json.loads(data)


def nft(wall, *words, check=True):
    return wall.namespace.run("nft", *words, check=check)


def is_loading(wall):
    done = nft(wall, "list", "set", "inet", "xmppwall", "loading", check=False)
    return done.returncode != 0 or "elements" in done.stdout


def is_whole(wall):
    return all(set(wall.blocked(v)) == BANS[v] for v in BANS) and not is_loading(wall) and \
        nft(wall, "list", "chain", "inet", "xmppwall", "early", check=False).stdout.count("@block") >= 5


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda d: "-".join(d[:2]) + "-" + d[-1].strip("{} ").replace("/", "_"))
def test_damage_is_undone(banned, damage):
    nft(banned, *damage)
    wait_for(lambda: is_whole(banned), 3, f"all of it back after {damage}")
    left = banned.blocked(4)
    assert all(3500 < seconds <= 3600 for seconds in left.values()), left


def test_a_set_is_deleted(banned):
    nft(banned, "flush", "chain", "inet", "xmppwall", "early")
    nft(banned, "delete", "set", "inet", "xmppwall", "block4", check=False)
    wait_for(lambda: is_whole(banned), 3, "the set and its bans")


def test_flushed_in_a_loop(banned):
    """Who flushes on and on gets all of it back each time, and at the end."""
    for _ in range(20):
        nft(banned, "flush", "ruleset")
        wait_for(lambda: nft(banned, "list", "table", "inet", "xmppwall", check=False).returncode == 0, 3, "the table")
    wait_for(lambda: is_whole(banned), 3, "all of it")


def test_foreign_tables_are_never_touched(banned):
    banned.namespace.run("sh", "-c", f"echo '{FOREIGN}' | nft -f -")
    def state():
        # Handles are part of it: made anew would not be the same.
        kept = [nft(banned, "-a", "list", "table", *t.split()).stdout for t in ("inet foreign", "ip other")]
        return [line for line in "".join(kept).splitlines() if "expires" not in line and "counter" not in line]
    before = state()
    for damage in DAMAGE[1:]:
        nft(banned, *damage)
        wait_for(lambda: is_whole(banned), 3, f"all of it back after {damage}")
    banned.ctl("ban", "192.0.2.77", "--for", "1h")
    banned.ctl("unban", "192.0.2.77")
    banned.ctl("reload")
    assert state() == before


def test_many_bans_are_back_as_well(lab, prosody, banned):
    """More than are compared in one go: nobody new comes in until they are there again, and single edits are put back at once."""
    entries = [{"op": "ban", "address": f"10.{i // 65536}.{i // 256 % 256}.{i % 256}", "for": 3600000} for i in range(MANY)]
    for first in range(0, MANY, 5000):
        answer = request(banned, "ban-batch", entries=entries[first:first + 5000])
        assert answer["result"]["banned"] == 5000, answer
    count = lambda: banned.ctl("status")["firewall"]["sets"]["block4"]
    whole = lambda: count() == MANY + len(BANS[4]) and not is_loading(banned)
    wait_for(whole, 5, "all in the kernel")
    for damage in (("delete", "element", "inet", "xmppwall", "block4", "{ 10.0.3.4 }"), ("flush", "set", "inet", "xmppwall", "block4"),
                   ("flush", "ruleset")):
        nft(banned, *damage)
        begin = time.monotonic()
        wait_for(whole, 10, f"all back after {damage}")
        assert nft(banned, "get", "element", "inet", "xmppwall", "block4", "{ 10.0.3.4 }").returncode == 0
        assert damage[0] != "delete" or time.monotonic() - begin < 2
    # What does not belong there goes, too, after everything was put in again.
    nft(banned, "add", "element", "inet", "xmppwall", "block4", "{", ", ".join(f"11.0.{i // 256}.{i % 256}" for i in range(400)), "}")
    wait_for(whole, 10, "the strangers to be taken out")
    banned.ctl("unban", "10.0.3.4")
    assert nft(banned, "get", "element", "inet", "xmppwall", "block4", "{ 10.0.3.4 }", check=False).returncode != 0


def test_remaining_times_after_a_restart(banned):
    """As the ledger has them; what has ended does not come back; a narrow ban inside a wide one has its own end."""
    banned.ctl("ban", "198.51.100.0/24", "--for", "2h")
    banned.ctl("ban", "198.51.100.7", "--for", "10m")
    banned.ctl("ban", "198.51.100.8", "--for", "1s")
    banned.ctl("ban", "::ffff:198.51.100.9", "--for", "10m")
    wait_for(lambda: "198.51.100.8" not in banned.blocked(), 5, "the short one to end")
    banned.process.popen.kill()
    banned.process.popen.wait(5)
    nft(banned, "flush", "ruleset")
    wait_for(lambda: not banned.namespace.listens("127.0.0.1", 15222), 5, "the orphaned proxy to end")
    banned.start()
    left = banned.blocked()
    assert 7100 < left["198.51.100.0/24"] <= 7200 and 500 < left["198.51.100.7"] <= 600, json.dumps(left)
    assert "198.51.100.8" not in left and 500 < left["198.51.100.9"] <= 600
    banned.ctl("unban", "198.51.100.7")
    left = banned.blocked()
    assert "198.51.100.7" not in left and "198.51.100.0/24" in left


def test_a_reload_leaves_standing_bans(lab, prosody, banned):
    """A reload that changes the table's text: no packet of a banned address passes meanwhile."""
    banned.ctl("ban", client_address(26), "--for", "5m")
    handle = nft(banned, "-a", "list", "table", "inet", "xmppwall").stdout.split("set block4 {")[1].split("\n")[0]
    banned.write(**{"xmppwall.conf": policy.STANDARD + "\nset more { type address; elements = { 203.0.113.99 }; }\nfirewall { block @more; }\n"})
    banned.ctl("reload")
    assert client_address(26) in banned.blocked() and "203.0.113.99" in banned.blocked(base="blocklist")
    assert nft(banned, "-a", "list", "table", "inet", "xmppwall").stdout.split("set block4 {")[1].split("\n")[0] == handle
