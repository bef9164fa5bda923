# SPDX-License-Identifier: BSD-2-Clause
"""Processes that die, policies that are wrong, machines that lack something: contained, and said with what to do."""
import contextlib
import json
import os
import signal
import socket
import subprocess

import pytest

import policy
from lab import client_address, wait_for


@pytest.fixture
def fresh(new_wall):
    return new_wall(policy.STANDARD).start()


def refused(wall, *texts, more=()):
    """This configuration does not come up: status 1, and standard error holds the texts."""
    process = wall.spawn(*more)
    assert wait_for(lambda: process.popen.poll() is not None, 20, "xmppwalld to give up") and process.popen.returncode == 1
    said = process.text()
    for text in texts:
        assert text in said, said
    return said


def test_killed_proxy_is_restarted(server, user, new_client, fresh):
    juliet, romeo = user("juliet", server, 11), user("romeo", server, 12)
    fresh.ctl("ban", client_address(26), "--for", "5m")
    fresh.ctl("list", "add", "spam_words", "tulip mania")
    old = fresh.proxies()
    juliet.mark()
    os.kill(old[0], signal.SIGKILL)
    juliet.event("disconnected", seconds=10)
    wait_for(lambda: fresh.proxies() and not set(fresh.proxies()) & set(old), 10, "another proxy process")
    assert client_address(26) in fresh.blocked()
    again, other = user("juliet", server, 11), user("romeo", server, 13)
    again.say(other.jid, "tulip mania")
    again.say(other.jid, "as if nothing had happened")
    other.body("as if nothing had happened")
    assert not other.saw("tulip mania")
    del romeo


def test_killed_daemon_loses_nothing(server, user, fresh):
    address = client_address(26)
    fresh.ctl("ban", address, "--for", "5m")
    fresh.ctl("list", "add", "spam_words", "tulip mania")
    proxies = fresh.proxies()
    fresh.process.kill(signal.SIGKILL)
    fresh.process.popen.wait(5)
    wait_for(lambda: not any(os.path.exists(f"/proc/{p}") for p in proxies), 5, "the proxies to die with their parent")
    fresh.start()
    assert address in fresh.bans() and address in fresh.blocked()
    juliet, romeo = user("juliet", server, 11), user("romeo", server, 12)
    juliet.say(romeo.jid, "tulip mania")
    juliet.say(romeo.jid, "on we go")
    romeo.body("on we go")
    assert not romeo.saw("tulip mania")
    assert any(h["entry"] == "tulip mania" for h in fresh.ctl("list", "history", "spam_words")["history"])


def test_reload_changes_the_policy_under_open_sessions(prosody, user, fresh):
    juliet, romeo = user("juliet", prosody, 11), user("romeo", prosody, 12)
    for client in (juliet, romeo):
        client.mark()
    fresh.write(**{"xmppwall.conf": policy.STANDARD.replace(
        "rule spam ", 'rule greeting { message body contains "good morrow" reject not-acceptable }\n    rule spam ')})
    assert fresh.ctl("reload")["changed"]
    number = juliet.say(romeo.jid, "good morrow")
    juliet.stanza("not-acceptable", f'id="{number}"', kind="message")
    juliet.say(romeo.jid, "good night")
    romeo.body("good night")
    assert juliet.alive() and romeo.alive()


def test_shadow_judges_beside_the_policy_in_force(prosody, user, fresh):
    """The new policy has no say: what it would stop passes, and is told of afterwards; its limits limit nobody."""
    juliet, romeo = user("juliet", prosody, 11), user("romeo", prosody, 12)
    for client in (juliet, romeo):
        client.mark()
    version = fresh.ctl("status")["policy"]
    fresh.write(**{"xmppwall.conf": policy.STANDARD.replace("rule spam ", 'rule greeting { message body contains "good morrow" '
                                                            "reject not-acceptable }\n    rule spam ")})
    shadow = fresh.namespace.start(*fresh.ctl_command("--json", "reload", "--shadow", "--for", "3s"), stdout=subprocess.PIPE, text=True)
    number = 0
    while shadow.poll() is None:  # it judges for a while, whenever it begins
        juliet.say(romeo.jid, f"good morrow {number}")
        romeo.body(f"good morrow {number}")
        number += 1
        with contextlib.suppress(subprocess.TimeoutExpired):
            shadow.wait(0.3)
    answer = json.loads(shadow.communicate(timeout=60)[0])
    assert answer["version"] == version == fresh.ctl("status")["policy"]
    assert [item["name"].split("/")[1] for item in answer["diff"]["added"]] == ["greeting"]
    report = answer["shadow"]
    assert report["differ"] > 0 and report["judged"] >= report["differ"] and report["failed"] == 0
    chain = answer["diff"]["added"][0]["name"]
    assert any(k["after"] == f"reject not-acceptable by {chain}" for k in report["kinds"])
    assert report["examples"][0]["to"].startswith(romeo.jid.split("/")[0])
    assert "good morrow" not in json.dumps(report)
    # Nothing of it is left: the rule counted no hits and is not in force.
    juliet.say(romeo.jid, "good morrow again")
    romeo.body("good morrow again")
    assert "greeting" not in [rule["name"] for rule in fresh.ctl("rules")["rules"]]


@pytest.mark.parametrize("broken,says", [
    ("rule spam     { message text", "rule spam     { mesage text"),
    ("in @bad_hosts ", "in @bad_hots "),
    ("message url.host", "message url.hosts"),
], ids=["kind", "set", "field"])
def test_broken_reload_is_refused(prosody, user, fresh, broken, says):
    juliet, romeo = user("juliet", prosody, 11), user("romeo", prosody, 12)
    text = policy.STANDARD.replace(broken, says)
    assert text != policy.STANDARD
    fresh.write(**{"xmppwall.conf": text})
    done = fresh.run("reload", check=False)
    line = next(n for n, row in enumerate(text.split("\n"), 1) if says in row)
    assert done.returncode == 1 and f"xmppwall.conf:{line}:" in done.stderr and "^" in done.stderr
    juliet.say(romeo.jid, "casino bonus")
    juliet.say(romeo.jid, "the old policy rules")
    romeo.body("the old policy rules")
    assert not romeo.saw("casino")


def test_failed_expectation_refuses_the_reload(fresh):
    version = fresh.ctl("status")["policy"]
    fresh.write(**{"xmppwall.conf": policy.STANDARD + """
expect "cannot hold" {
    from "a@verona.example/x" to "b@verona.example"
    stanza "<message><body>casino bonus</body></message>"
    verdict accept
}
"""})
    done = fresh.run("reload", check=False)
    assert done.returncode == 1 and "expected accept, got drop by spam" in done.stderr
    assert fresh.ctl("status")["policy"] == version


def test_certificates_are_read_anew(lab, prosody, user, fresh):
    before = user("juliet", prosody, 11)
    serial = before.ask("tls")["certificate"]["serialNumber"]
    fresh.certificate(lab.authority.issue("verona.example", lab.folder / "renewed-leaves"))
    fresh.write(**{"xmppwall.conf": policy.service(more=f'verify file "{lab.authority.file}";') + policy.RULES})
    fresh.ctl("reload")
    assert user("romeo", prosody, 12).ask("tls")["certificate"]["serialNumber"] != serial
    assert before.ask("ping", jid=prosody.domain) is not None


def test_wrong_configuration_names_its_place(new_wall):
    wall = new_wall(policy.STANDARD.replace("intercept tproxy", "intercept tprox"))
    line = policy.STANDARD.replace("tproxy", "tprox").split("\n").index("    intercept tprox;") + 1
    refused(wall, f"xmppwall.conf:{line}:15", "tproxy", "^")
    assert "xmppwall" not in wall.namespace.run("nft", "list", "ruleset").stdout


def test_missing_configuration(new_wall):
    wall = new_wall(policy.STANDARD)
    wall.config.unlink()
    refused(wall, str(wall.config))


def test_port_in_use(lab, new_wall):
    with lab.firewall.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("0.0.0.0", 15222))
        taken.listen()
        refused(new_wall(policy.STANDARD), "15222", "in use")
    assert "xmppwall" not in lab.firewall.run("nft", "list", "ruleset").stdout


def says(wall, *texts):
    """Started or not, the log names the trouble."""
    wall.spawn()
    wait_for(lambda: all(text in wall.process.text() for text in texts), 10, f"{texts} in the log")


def test_no_certificates(new_wall):
    """Nobody gets through, and both the log and status say why."""
    wall = new_wall(policy.STANDARD, certificates=[])
    says(wall, "certs", "NAME.crt")
    if wall.process.alive():
        wait_for(lambda: "NAME.crt" in " ".join(wall.ctl("status")["attention"]), 5, "a word in status")


def test_unusable_key(prosody, ejabberd, user, new_wall):
    """One bad key is named and costs its own domain only."""
    wall = new_wall(policy.STANDARD)
    (wall.folder / "etc/certs/verona.example.key").write_text("this is no key\n")
    says(wall, "verona.example", "key")
    wait_for(wall.ready, 10, "xmppwalld to be ready", wall.process.alive)
    user("juliet", ejabberd, 11)


def test_key_of_another_certificate(new_wall):
    wall = new_wall(policy.STANDARD)
    certs = wall.folder / "etc/certs"
    (certs / "verona.example.key").write_text((certs / "mantua.example.key").read_text())
    says(wall, "verona.example", "another certificate")


def test_missing_list_file(new_wall):
    wall = new_wall(policy.STANDARD)
    (wall.folder / "etc/lists/spam-words.txt").unlink()
    refused(wall, "spam-words.txt")


def test_second_daemon_is_refused(fresh, lab, new_wall):
    config = fresh.config
    other = new_wall(policy.STANDARD)
    process = other.spawn("--run-dir", fresh.folder / "run", "--config", config)
    wait_for(lambda: process.popen.poll() is not None, 15, "the second daemon to give up")
    assert process.popen.returncode == 1
    assert fresh.ctl("status")["services"], "the first one still answers"
    assert fresh.blocked() is not None and "xmppwall" in lab.firewall.run("nft", "list", "ruleset").stdout


def test_port_of_another_daemon(fresh, new_wall):
    """Two daemons with folders of their own would fight for ports and table: the second one gives up."""
    refused(new_wall(policy.STANDARD), "15222", "in use")
    assert fresh.ctl("status")["services"]


def test_ctl_without_daemon(new_wall):
    wall = new_wall(policy.STANDARD)
    assert wall.run("status", check=False).returncode == 3
    assert wall.run("check", wall.config, check=False).returncode == 0


def test_orderly_stop_says_goodbye(prosody, user, fresh):
    """RFC 6120 4.9.3.20 system-shutdown, then the stream's end."""
    juliet = user("juliet", prosody, 11)
    juliet.mark()
    fresh.process.kill(signal.SIGTERM)
    juliet.stanza("system-shutdown", seconds=10)
    assert fresh.process.popen.wait(10) == 0
