# SPDX-License-Identifier: BSD-2-Clause
"""A list large enough to be compiled once and mapped by all: judged by through edits, a proxy that dies, a reload, a start from
the cache, and a cache that was tampered with."""
import os
import signal

import pytest

import policy
from lab import wait_for

WORDS = [f"wordnumber{i}" for i in range(10000)]


@pytest.fixture
def fresh(new_wall):
    """Words enough for a pack; the wall is not started."""
    wall = new_wall(policy.STANDARD)
    (wall.folder / "etc/lists/spam-words.txt").write_text("casino bonus\n" + "".join(f"{w}\n" for w in WORDS))
    return wall


def judged(user, server, numbers, dropped, passed):
    """These words are dropped, those pass; the last to pass proves that the others had their time."""
    sender, receiver = user("juliet", server, numbers[0]), user("romeo", server, numbers[1])
    for text in [*dropped, *passed]:
        sender.say(receiver.jid, text)
    receiver.body(passed[-1])
    for text in dropped:
        assert not receiver.saw(text)
    for text in passed:
        receiver.body(text)


def cache(wall):
    return {name: n for name, n in wall.ctl("status")["counters"].items() if name.startswith("cache.")}


def test_compiled_once_and_judged_by(server, user, fresh):
    fresh.start()
    assert cache(fresh) == {"cache.found": 0, "cache.compiled": 2, "cache.refused": 0}
    judged(user, server, (11, 12), ["WordNumber9999", "casino bonus"], ["wordnumber10000", "tulip mania"])
    fresh.ctl("list", "add", "spam_words", "tulip mania")
    fresh.ctl("list", "del", "spam_words", "wordnumber7")
    judged(user, server, (13, 14), ["tulip mania", "wordnumber8"], ["wordnumber7", "done"])
    # A proxy that starts later maps the same and gets the edits beside it.
    old = fresh.proxies()
    os.kill(old[0], signal.SIGKILL)
    wait_for(lambda: fresh.proxies() and not set(fresh.proxies()) & set(old), 20, "another proxy process")
    wait_for(lambda: fresh.ctl("status")["workers"][0]["state"] == "ready", 20, "it to be ready")
    judged(user, server, (15, 16), ["tulip mania", "wordnumber8"], ["wordnumber7", "done again"])
    fresh.ctl("reload")
    judged(user, server, (17, 18), ["tulip mania", "wordnumber8"], ["wordnumber7", "and again"])
    known = fresh.ctl("list", "show", "--hits", "spam_words")["entries"]
    assert {row["hits"] for row in known if row["entry"] == "wordnumber8"} != {0}


def test_from_the_cache_and_without_it(server, user, fresh):
    fresh.start()
    fresh.close()
    fresh.start()
    assert cache(fresh) == {"cache.found": 2, "cache.compiled": 0, "cache.refused": 0}
    judged(user, server, (11, 12), ["wordnumber5"], ["wordnumber10001"])
    fresh.close()
    for path in (fresh.folder / "state/cache").iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0x10
        path.write_bytes(content)
    fresh.start()
    assert cache(fresh) == {"cache.found": 0, "cache.compiled": 2, "cache.refused": 2}
    judged(user, server, (13, 14), ["wordnumber5"], ["wordnumber10001"])
    assert fresh.process.text().count("its sum is wrong") == 2
