# SPDX-License-Identifier: BSD-2-Clause
"""What is tried on Debian's stock kernel: the checks of tests/wire/test_queue.py that matter most, in one lab, since
everything is slow in there. Each prints "ok NAME" or "FAILED NAME" with why."""
import os
import pathlib
import subprocess
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))

import test_deploy as deploy  # noqa: E402
import test_queue as queue  # noqa: E402
from component import Component, Hall  # noqa: E402
from lab import Lab  # noqa: E402
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
