# SPDX-License-Identifier: BSD-2-Clause
"""top, status and --watch: what they show of real sessions, and that peers' own words do no harm there."""
import json
import re
import subprocess

import pytest

import policy
from lab import client_address, wait_for
from raw import RawClient
from screen import Screen


@pytest.fixture
def fresh(new_wall):
    return new_wall(policy.STANDARD).start()


def test_top_json(lab, server, user, fresh):
    """One look: sums and the busiest, within what was asked for; counters that only grow."""
    juliet, romeo = user("juliet", server, 11), user("romeo", server, 12)
    second = user("romeo", server, 12, resource="second")
    for number in range(5):
        romeo.say(juliet.jid, f"number {number}")
    juliet.body("number 4")
    romeo.say(juliet.jid, "take your casino bonus now")
    wait_for(lambda: fresh.events(rule="spam"), 5, "a drop")
    with RawClient(lab, server, source=client_address(13)) as loris:
        loris.open()
        top = wait_for(lambda: (t := fresh.ctl("top"))["totals"]["sessions"] == 4 and t, 5, "four sessions")
    assert top["totals"] | {"rules": 0, "limits": 0} == {"sessions": 4, "online": 3, "peers": 3, "rules": 0, "limits": 0, "bans": 0, "barred": 0}
    peers = {p["address"]: p for p in top["peers"]}
    assert (peers[romeo.source]["sessions"], peers[romeo.source]["online"]) == (2, 2)
    assert (peers[client_address(13)]["sessions"], peers[client_address(13)]["online"]) == (1, 0)
    assert peers[romeo.source]["in"] >= 6 and peers[romeo.source]["dropped"] == 1
    assert top["peers"][0]["rate"] == max(p["rate"] for p in top["peers"])
    assert {s["jid"].split("/")[0] for s in top["sessions"]} == {juliet.jid, romeo.jid, ""}
    assert second.jid in {s["jid"] for s in top["sessions"]}
    assert next(r for r in top["rules"] if r["name"] == "spam")["hits"] == 1 and top["rules"][0]["name"] == "spam"
    assert top["limits"][0]["name"] == "chatter" and top["counters"]["verdict.drop"] == 1
    ours = next(w for w in top["workers"] if w["name"] == "xmppwall-proxy")
    assert ours["memory"] > 1 << 20 and ours["cpu_ms"] > 0 and ours["sessions"] >= 0
    status = fresh.run("status").stdout
    assert "sessions    3 now" in status or "sessions    4 now" in status
    assert "\033" not in status


def test_watch(lab, prosody, user, fresh):
    """--watch: one JSON object a line, plain text one behind the other, and not for what changes something."""
    def lines(*command, count):
        process = subprocess.Popen([str(word) for word in fresh.namespace.command(*fresh.ctl_command(*command))],
                                   stdout=subprocess.PIPE, text=True)
        try:
            return [process.stdout.readline() for _ in range(count)]
        finally:
            process.terminate()
            assert process.wait(10) == 0
    first, second = (json.loads(line) for line in lines("--json", "top", "--watch", "200ms", count=2))
    assert second["uptime_ms"] > first["uptime_ms"]
    assert all(json.loads(line)["sessions"] == [] for line in lines("--json", "sessions", "--watch=100ms", count=3))
    assert lines("bans", "--watch", "100ms", count=3) == ["nobody is banned\n", "\n", "nobody is banned\n"]
    assert fresh.run("ban", "192.0.2.9", "--watch", check=False).returncode == 2
    assert fresh.run("status", "--watch", "1fortnight", check=False).returncode == 2
    assert "sessions" in fresh.run("status", "--help").stdout or "--watch" in fresh.run("status", "--help").stdout



def top(fresh, *words, **settings):
    return Screen(fresh.folder, fresh.ctl_command("top", *words), **settings)


def row_of(screen, text):
    return next((line for line in screen.lines() if text in line), "")


def test_top_keys(lab, prosody, user, fresh):
    """Each key once, on a real terminal, with real sessions behind it."""
    juliet, romeo = user("juliet", prosody, 11), user("romeo", prosody, 12, resource="orchard")
    user("romeo", prosody, 12, resource="wall")
    romeo.say(juliet.jid, "take your casino bonus now")
    wait_for(lambda: fresh.events(rule="spam"), 5, "a drop")
    with RawClient(lab, prosody, source=client_address(13)) as loris, top(fresh, "--watch", "500ms") as screen:
        loris.open()
        screen.see("[1 Peers 3]", "2 Sessions 4", romeo.source, client_address(13), "(1 not logged in)", "each 0.5s")
        assert row_of(screen, romeo.source).split()[1:3] == ["2", "0"]
        assert row_of(screen, client_address(13)).split()[1:3] == ["1", "1"]
        # panels: by number, tab, arrows
        screen.keys("2")
        screen.see("[2 Sessions 4]", "online", "offer", "juliet@")
        screen.keys("Tab")
        screen.see("[3 Rules 3]", "phishing", "spam")
        screen.keys("BTab")
        screen.see("[2 Sessions 4]")
        screen.keys("Left", "Left")
        screen.see("[5 Bans 0]", "none")
        screen.keys("4")
        screen.see("[4 Limits 1]", "chatter", "5/second")
        # sorting, the other way round
        screen.keys("3", "<")
        screen.see("HITS▾")
        wait_for(lambda: screen.lines()[row_at(screen, "CHAIN") + 1].split()[1] == "spam", 5, "the rule with hits to be first")
        screen.keys("r")
        screen.see("HITS▴")
        wait_for(lambda: screen.lines()[row_at(screen, "CHAIN") + 3].split()[1] == "spam", 5, "it to be last")
        screen.keys(">", "s")
        screen.see("TEXT▴")
        # filter, explain: the rule's text and what it did
        screen.keys("/")
        screen.type("SPA")
        screen.see("only what has in it: SPA_", without=["phishing"])
        screen.keys("Enter", "e")
        screen.see("rules inbound/spam", "@spam_words", "casino bonus", "last events")
        screen.keys("j", "k", "Escape")
        screen.see("only 'SPA'")
        screen.keys("Escape")
        screen.see("phishing")
        # a filter on JIDs is the daemon's: of the peers, too
        screen.keys("2", "/")
        screen.type("orchard")
        screen.keys("Enter")
        screen.see("romeo@", without=["juliet@"])
        screen.keys("1")
        screen.see(romeo.source, without=[juliet.source])
        screen.keys("Enter")
        screen.see(f"peers {romeo.source}", "/orchard", "/wall", "drop")
        screen.keys("q", "Escape")
        screen.see(juliet.source)
        # pause, interval, help
        screen.keys("p")
        screen.see("PAUSED")
        screen.keys("p", "+")
        screen.see("each 1s", without=["PAUSED"])
        screen.keys("-", "?")
        screen.see("each 0.5s", "ban the chosen peer")
        screen.keys("q")
        screen.see("[1 Peers 3]")
        # small, smaller than it can be, large
        screen.resize(60, 14)
        screen.see("[1 Peers 3]", "ST/S", romeo.source)
        screen.resize(30, 8)
        screen.see("too small: 30x8")
        screen.resize(140, 50)
        screen.see("[1 Peers 3]", "AGE", "JID", "q quit")
        screen.keys("q")
        screen.see("left with 0")


def row_at(screen, text):
    return next(i for i, line in enumerate(screen.lines()) if text in line)


def test_top_bans(lab, prosody, user, fresh):
    """b and u reach the kernel; the chosen row is the one that is meant, though others move."""
    user("juliet", prosody, 11)
    romeo = user("romeo", prosody, 12)
    with top(fresh) as screen:
        screen.see(romeo.source)
        screen.keys("/")
        screen.type(romeo.source)
        screen.keys("Enter")
        screen.see("only '", without=[client_address(11)])
        screen.keys("b")
        screen.see(f"ban {romeo.source} for: 1h_")
        screen.keys("Escape")
        screen.see("nothing was changed")
        screen.keys("b", "C-u")
        screen.type("never")
        screen.keys("Enter")
        screen.see("'never' is not a time")
        screen.keys("C-u")
        screen.type("20m")
        screen.keys("Enter")
        screen.see("why: by hand_")
        screen.type(", \u2066noisy")
        screen.keys("Enter")
        screen.see(f"{romeo.source} is banned for 20m")
        assert 1100 < fresh.blocked()[romeo.source] <= 1200
        romeo.event("disconnected", seconds=10)
        screen.keys("Escape", "5")
        screen.see("[5 Bans 1]", romeo.source, "by hand, noisy")
        screen.keys("e")
        screen.see(f"bans {romeo.source}", "last events", "by hand, noisy", "uid 0 (root)")
        screen.keys("Escape", "u")
        screen.see(f"let {romeo.source} back in? (y/n)")
        screen.keys("n")
        screen.see("nothing was changed")
        screen.keys("u", "y")
        screen.see(f"{romeo.source} is let back in", "[5 Bans 0]")
        assert romeo.source not in fresh.blocked()
        # who is barred by name stands there, too
        fresh.ctl("ban", "tybalt@verona.example", "--for", "10m")
        screen.see("[5 Bans 1]", "tybalt@verona.", "9m")
        screen.keys("u")
        screen.see("let tybalt@verona.example back in?")
        screen.keys("y")
        screen.see("tybalt@verona.example is let back in", "[5 Bans 0]")
        assert fresh.ctl("bans")["barred"] == []
        # what the daemon refuses is told
        screen.keys("1")
        screen.see(client_address(11))
        screen.keys("u", "y")
        screen.see("refused: ", "not banned")
        screen.keys("C-c")
        screen.see("left with 0")


# What servers let pass (resourceprep): a letter that is blank, wide ones, more marks than a letter can bear, and a thousand.
HOSTILE = "\u115f\u00e9vil\u1160\u7f57\u5bc6o" + "\u0302\u0303\u0304" * 4 + "a" * 900


def test_hostile_peer(lab, prosody, fresh):
    """A resource made to deceive the eye, in every panel: escaped and cut, here and in status."""
    with RawClient(lab, prosody, source=client_address(14)) as tybalt:
        tybalt.login("tybalt", resource=HOSTILE)
        jid = fresh.ctl("sessions")["sessions"][0]["jid"]
        assert "\u115f" in jid and len(jid) > 900, "the server let it pass"
        tybalt.send("<message to='nobody@verona.example'><body>take your casino bonus now</body></message>")
        wait_for(lambda: fresh.events(rule="spam"), 5, "a drop")
        with top(fresh, columns=150) as screen:
            screen.see(client_address(14))
            for key, text in (("1", "\\u{115f}évil"), ("2", "\\u{115f}évil\\u{1160}罗密"), ("e", "\\u{1160}罗密"), ("Escape", "[2 Sessions 1]"),
                              ("3", "spam"), ("r", "spam"), ("e", "rules "), ("Escape", "[3 Rules"), ("q", "left with 0")):
                screen.keys(key)
                seen = screen.see(text)
                assert not set(seen) & set("\u115f\u1160\x1b") and "\u0302\u0303\u0304" not in seen, seen
            raw = screen.log.read_bytes()
            assert "\u115f".encode() not in raw and "罗密".encode() in raw
        # a terminal that knows no UTF-8 gets none
        with top(fresh, columns=150, locale="C") as screen:
            screen.see("[1 Peers 1]")
            screen.keys("2")
            screen.see("\\u{115f}?vil", "[2 Sessions 1]")
            screen.keys("q")
            screen.see("left with 0")
            assert not [byte for byte in screen.log.read_bytes() if byte >= 0x80]
        with top(fresh, NO_COLOR="1") as screen:
            screen.see("[1 Peers 1]")
            assert not re.search("\033\\[3[0-8]m", screen.colours())
        for words in (["status"], ["sessions"], ["events"]):
            assert "\u115f" not in fresh.run(*words).stdout


def test_daemon_goes_and_comes(lab, prosody, user, fresh):
    user("juliet", prosody, 11)
    with top(fresh, "--watch", "200ms") as screen, Screen(fresh.folder, fresh.ctl_command("status", "--watch", "200ms"), columns=140) as status:
        screen.see("[1 Peers 1]")
        status.see("xmppwallctl status, each 200ms", "sessions    1 now")
        fresh.process.kill()
        screen.see("cannot reach the daemon", "asking again")
        status.see("does xmppwalld run?")
        screen.keys("b")
        screen.see("for: 1h_")
        screen.keys("Enter", "Enter")
        screen.see("not done: the daemon cannot be reached")
        fresh.start()
        user("juliet", prosody, 15)
        screen.see("[1 Peers 1]", client_address(15), without=["asking again"])
        status.see("sessions    1 now", without=["does xmppwalld run?"])
        status.keys("C-c")
        status.see("left with 0")
        screen.keys("q")
        screen.see("left with 0")


def test_no_terminal(fresh):
    done = fresh.run("top", check=False)
    assert done.returncode == 2 and "top --json" in done.stderr and done.stdout == ""
    # curses keeps what it had begun of a terminal that it does not know: not ours to free
    with Screen(fresh.folder, fresh.ctl_command("top"), columns=140, TERM="nonsense", ASAN_OPTIONS="detect_leaks=0") as screen:
        screen.see("top --json", "left with 2")
    with Screen(fresh.folder, [fresh.ctl_command()[0], "--run-dir", fresh.folder / "nowhere", "top"], columns=140) as screen:
        screen.see("cannot reach the daemon", "left with 3")


def test_status_fits(new_wall, lab):
    """What needs attention comes first, in red, and all of it fits on the screen; off a terminal nothing is left out."""
    services = "".join(f"service s{i} {{ listen tcp {{ {6000 + i} }}; mode proxy; tls required; certificates \"certs\"; "
                       "upstream 198.51.100.10:5222 starttls; verify off; fail open; }\n" for i in range(1, 25))
    wall = new_wall(services + "chain c { hook s1; policy accept; }\n").start("--no-firewall")
    with Screen(wall.folder, wall.ctl_command("status"), rows=24) as screen:
        seen = screen.see("services", "left with 0").strip().splitlines()
        assert len(seen) <= 24 and seen[0].startswith("! "), seen
        assert [line for line in seen if "more lines (xmppwallctl" in line] and [line for line in seen if "more services" in line], seen
        assert "xmppwall-proxy" in "".join(seen) and "\033[31m" in screen.colours()
    plain = wall.run("status").stdout
    assert plain.startswith("! ") and plain.count("tcp 60") == 24 and "\033" not in plain and plain.count("fail open") == 24
