# SPDX-License-Identifier: BSD-2-Clause
"""Who will not stop is blocked in the kernel, with a timeout; others are not; the ledger outlives everything."""
import signal

import pytest

import policy
from lab import client_address, wait_for


@pytest.fixture
def fresh(new_wall):
    return new_wall(policy.STANDARD).start()


def flood(client, to, count=80):
    for number in range(count):
        client.order("message", to=to, body=f"flood {number}")


def blocked(lab, server, source, version=4):
    """A new connection from this address gets nowhere."""
    try:
        lab.client.connect(server.addresses[version], 5222, source=source, timeout=1.5).close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("version", [4, 6])
def test_flood_ends_in_the_kernel(lab, server, user, fresh, version):
    tybalt = user("tybalt", server, 24, version=version)
    second = user("tybalt", server, 24, version=version, resource="second")
    juliet, romeo = user("juliet", server, 11, version=version), user("romeo", server, 12, version=version)
    for client in (tybalt, second, juliet, romeo):
        client.mark()
    flood(tybalt, juliet.jid)
    tybalt.stanza('type="error"', "resource-constraint", kind="message")
    punished = tybalt.source if version == 4 else "2001:db8:1:24::/64"  # one IPv6 host has a whole /64 to come from
    left = wait_for(lambda: fresh.blocked(version).get(punished), 15, "the address in the block set")
    assert 0 < left <= 600
    for client in (tybalt, second):
        client.event("disconnected", seconds=10)
    assert blocked(lab, server, tybalt.source, version)
    romeo.say(juliet.jid, "we chat on")
    juliet.body("we chat on")
    assert juliet.alive() and romeo.alive()
    ban = next(b for b in fresh.ctl("bans")["bans"] if b["address"] == punished)
    assert ban["rule"] == "inbound/flood" and ban["until"] > ban["since"]
    assert fresh.ctl("unban", punished)["removed"] == 1
    assert punished not in fresh.blocked(version)
    user("tybalt", server, 24, version=version)


def test_shared_address_is_spared(lab, server, user, fresh):
    """spare shared: other authenticated users behind the same address are not punished for one."""
    tybalt, nurse = user("tybalt", server, 25), user("nurse", server, 25)
    juliet = user("juliet", server, 11)
    nurse.mark()
    flood(tybalt, juliet.jid)
    tybalt.stanza('type="error"', "resource-constraint", kind="message")
    wait_for(lambda: len(fresh.events(rule="flood")) >= 12, 10, "more strikes than the ladder allows")
    assert client_address(25) not in fresh.blocked()
    nurse.say(juliet.jid, "I did nothing")
    juliet.body("I did nothing")
    assert nurse.alive()


def test_ban_by_hand(lab, prosody, user, fresh):
    address = client_address(26)
    tybalt = user("tybalt", prosody, 26)
    tybalt.mark()
    assert fresh.ctl("ban", address, "--for", "5m", "--why", "enough")["address"] == address
    assert 0 < fresh.blocked()[address] <= 300
    tybalt.event("disconnected", seconds=10)
    assert blocked(lab, prosody, address)
    assert fresh.ctl("bans")["bans"][0]["why"] == "enough"
    fresh.ctl("unban", address)
    assert not blocked(lab, prosody, address)
    assert fresh.run("unban", address, check=False).returncode == 1


def test_ban_of_a_prefix(lab, prosody, fresh):
    fresh.ctl("ban", "192.0.2.28/31", "--for", "5m")
    assert blocked(lab, prosody, client_address(28)) and blocked(lab, prosody, client_address(29))
    assert not blocked(lab, prosody, client_address(27))
    fresh.ctl("unban", "192.0.2.28/31")
    assert not blocked(lab, prosody, client_address(28))


def test_ban_ends_by_itself(lab, prosody, fresh):
    fresh.ctl("ban", client_address(26), "--for", "1s")
    assert client_address(26) in fresh.blocked()
    wait_for(lambda: client_address(26) not in fresh.blocked(), 5, "the kernel to forget the address")
    wait_for(lambda: client_address(26) not in fresh.bans(), 5, "the ledger to close the ban")
    assert not blocked(lab, prosody, client_address(26))


def test_wrong_address_is_refused(fresh):
    done = fresh.run("ban", "300.1.2.3", check=False)
    assert done.returncode in (1, 2) and "300.1.2.3" in done.stderr


def test_flushed_ruleset_comes_back(lab, prosody, fresh):
    """Another tool's "nft flush ruleset" is repaired within a second, bans included."""
    address = client_address(26)
    fresh.ctl("ban", address, "--for", "5m")
    fresh.namespace.run("nft", "flush", "ruleset")
    wait_for(lambda: address in fresh.blocked(), 2, "the table and the ban to come back")
    assert blocked(lab, prosody, address)
    fresh.namespace.run("nft", "delete", "element", "inet", "xmppwall", "block4", "{", address, "}")
    wait_for(lambda: address in fresh.blocked(), 2, "the element to come back")


def test_bans_outlive_the_daemon(lab, prosody, user, fresh):
    address = client_address(26)
    fresh.ctl("ban", address, "--for", "5m")
    fresh.process.kill(signal.SIGKILL)
    fresh.process.popen.wait(5)
    wait_for(lambda: not fresh.namespace.listens("127.0.0.1", 15222), 5, "the orphaned proxy to end")
    fresh.start()
    assert address in fresh.bans() and 0 < fresh.blocked()[address] <= 300
    assert blocked(lab, prosody, address)
    user("juliet", prosody, 11)


def test_stopped_traffic_waits_and_unloading_leaves_nothing(lab, prosody, fresh):
    """Fail closed: without the daemon nothing passes around it, until the operator says so."""
    fresh.process.kill(signal.SIGTERM)
    assert fresh.process.popen.wait(10) == 0
    assert blocked(lab, prosody, client_address(11))
    assert fresh.unload().returncode == 0
    assert "xmppwall" not in fresh.namespace.run("nft", "list", "ruleset").stdout
    rules = fresh.namespace.run("ip", "rule").stdout + fresh.namespace.run("ip", "-6", "rule").stdout
    assert "22530" not in rules
    assert not blocked(lab, prosody, client_address(11))


def test_repeated_offence_is_banned_longer(prosody, user, new_wall):
    wall = new_wall(policy.STANDARD.replace("10 strikes within 1m; ban 10m", "2 strikes within 1m; ban 2s")).start()
    lengths = []
    for _ in range(3):
        tybalt = user("tybalt", prosody, 24)
        flood(tybalt, prosody.jid("juliet"), 40)
        ban = wait_for(lambda: wall.ctl("bans")["bans"], 15, "the ban")[0]
        lengths.append(round((ban["until"] - ban["since"]) / 1000))
        tybalt.event("disconnected", seconds=10)
        wait_for(lambda: not wall.ctl("bans")["bans"] and not wall.blocked(), 15, "the ban's end")
    assert lengths == [2, 4, 8]
