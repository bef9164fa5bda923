# SPDX-License-Identifier: BSD-2-Clause
"""What is tried on Debian's stock kernel: the checks of tests/wire/test_queue.py that matter most, in one lab, since
everything is slow in there. Each prints "ok NAME" or "FAILED NAME" with why."""
import contextlib
import os
import pathlib
import subprocess
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))

import policy  # noqa: E402
import test_defend as defend  # noqa: E402
import test_deploy as deploy  # noqa: E402
import test_queue as queue  # noqa: E402
from component import Component, Hall  # noqa: E402
from lab import Authority, Lab, client_address, wait_for  # noqa: E402
from wall import Wall  # noqa: E402

failed = []


def check(name, function, *arguments):
    start = time.monotonic()
    try:
        function(*arguments)
        print(f"ok {name} {time.monotonic() - start:.1f} s", flush=True)
    except BaseException:
        failed.append(name)
        print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)


def the_native_queue(lab):
    assert queue.load(lab.firewall, "-q", 2) == "native"
    text = lab.firewall.run("nft", "list", "chain", "inet", "xmppwall", "inspect_closed").stdout
    assert "queue to 5298-5299" in text, text
    assert queue.load(lab.firewall, "-o", "-l", "-b") == "native"
    text = lab.firewall.run("nft", "list", "table", "inet", "xmppwall").stdout
    assert "queue flags bypass to 5298" in text and "queue_open" not in text, text


def a_stanza_is_judged(lab):
    wall = Wall(lab)
    wall.write(**{"xmppwall.conf": deploy.example("deploy/inspect-router.conf")}, **deploy.COMPONENT_RULES)
    try:
        wall.start()
        checks = {c["name"]: c["text"] for c in wall.ctl("firewall", "check", check=False)["checks"]}
        assert checks["queue-expression"].startswith("nft's queue"), checks
        hall = Hall(lab.server, "198.51.100.10")
        component = Component(lab.client, "198.51.100.10", "irc.rome.example", "secret")
        deploy.judged_in_flight(wall, component, "juliet@rome.example", lambda text: text.encode() in hall.said)
        component.close()
        hall.close()
    finally:
        wall.close()


def dials(lab, number, version, count):
    made = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            made.append(lab.client.connect(FRONT[version], 5222, source=client_address(number, version), timeout=4))
    return made


FRONT = {4: "192.0.2.1", 6: "2001:db8:1::1"}


def connections_are_counted(lab):
    """Rates, numbers at once and the kernel's own answers to SYNs, over both families."""
    wall = Wall(lab, "counting")
    text = ("connections { rate 1/hour burst 5; rate 1/hour burst 50 per /24 /48; rate 1/hour burst 90 per /0 /0; concurrent 3; penalty 1m; }"
            " connections regulars { from authenticated 1d; }")
    how = dict(intercept="none", upstream="upstream 198.51.100.10:5222 starttls;")
    wall.certificate(Authority(lab.folder / "ca").issue("rome.example", lab.folder / "leaves"))
    wall.write(**policy.LISTS, **{"xmppwall.conf": defend.defend(text, **how)})
    try:
        wall.start(seconds=90)
        checks = {c["name"]: c for c in wall.ctl("firewall", "check", check=False)["checks"]}
        assert all(checks[name]["ok"] for name in ("meters", "concurrent", "synproxy")), checks
        for version in FRONT:
            assert len(dials(lab, 15, version, 7)) == 3
        seen = wall.ctl("status")["defend"]["others"]
        assert seen["concurrent"] == 4 and seen["rate"] + seen["penalty"] >= 4 and seen["full"] == 0, seen
        lab.firewall.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0")
        wall.write(**{"xmppwall.conf": defend.defend(text + " synproxy on;", **how)})
        wall.ctl("reload")
        for version in FRONT:
            s = dials(lab, 16, version, 1)[0]
            s.sendall(b"<?xml version='1.0'?><stream:stream to='rome.example' xmlns='jabber:client' "
                      b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
            s.settimeout(20)
            assert b"stream" in s.recv(500)
        wait_for(lambda: "16" in lab.firewall.run("nft", "list", "set", "inet", "xmppwall", "rate_others_64_1h_5_6").stdout, 10, "a count")
    finally:
        wall.close()


def main():
    with Lab() as lab:
        def alone(function, *arguments):
            try:
                function(*arguments)
            finally:
                for namespace in (lab.firewall, lab.server):
                    namespace.run("nft", "flush", "ruleset")

        check("native", alone, the_native_queue, lab)
        check("pass", alone, queue.test_pass, lab, queue.load)
        check("router", alone, queue.test_router, lab, queue.load, 6)
        check("own-host", alone, queue.test_own_host, lab, queue.load, 4)
        check("loopback", alone, queue.test_loopback_once, lab, queue.load, "127.0.0.1")
        check("kill", alone, queue.test_kill_with_a_reset_ends_both_at_once, lab, queue.load, "router")
        check("fail-closed", alone, queue.test_fail_closed, lab, queue.load)
        check("fail-open", alone, queue.test_fail_open, lab, queue.load)
        check("reload", alone, queue.test_reload_keeps_what_waits_in_the_queue, lab)
        check("defend", alone, connections_are_counted, lab)
        bridge = queue.build_bridge(lab)
        check("bridge", alone, queue.test_bridge, bridge, "203.0.113.2")
        check("vlan", alone, queue.test_vlan_over_a_bridge, bridge)
        check("judged", alone, a_stanza_is_judged, lab)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.stdout.flush()
    code = main()
    subprocess.run(["sync"], check=False)
    os._exit(code)
