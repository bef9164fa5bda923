# SPDX-License-Identifier: BSD-2-Clause
"""Security labels (XEP-0258) with a server that has a catalog of them (Prosody's mod_seclabels): what the clearance of the
two domains releases passes, the rest does not, whoever marked it."""
import xml.etree.ElementTree as ET

import pytest

import policy
from lab import run, wait_for
from servers import Prosody

ADDRESS = "198.51.100.40"
NS = {"c": "urn:xmpp:sec-label:catalog:2", "l": "urn:xmpp:sec-label:0"}
CLASS_1 = "<esssecuritylabel xmlns='urn:xmpp:sec-label:ess:0'>MQ4CAQEGCSsGAQQBho0fBw==</esssecuritylabel>"
CLASS_5 = "<esssecuritylabel xmlns='urn:xmpp:sec-label:ess:0'>MQ4CAQUGCSsGAQQBho0fBw==</esssecuritylabel>"

RULES = """
clearance inside {
    from "lerici.example" to "lerici.example";
    release "UNCLASSIFIED", "OPEN";
    release policy "1.3.6.1.4.1.99999.7" class 0 to 1;
    unlabelled refuse;
}
chain labels {
    hook c2s direction in;
    rule unlabelled { message body exists and label.release is unlabelled  reject policy-violation "it bears no label", log }
    rule review     { message label.display is "FOR REVIEW"                quarantine, log }
    rule withheld   { message label.release is withheld                    reject policy-violation "its label keeps it here", log }
}
"""


class Labelled(Prosody):
    CONFIG = Prosody.CONFIG.replace('"log_auth" }}', '"log_auth", "seclabels" }}').replace('VirtualHost "{domain}"', f"""
security_catalog_name = "lab"
security_labels = {{{{
    {{{{ name = "Open", display = "UNCLASSIFIED", color = "black", bgcolor = "green", label = "{CLASS_1}", default = true }}}},
    {{{{ name = "Closed", display = "SECRET", color = "white", bgcolor = "red", label = "{CLASS_5}" }}}},
}}}}
VirtualHost "{{domain}}\"""", 1)


@pytest.fixture(scope="module")
def lucca(lab):
    run("ip", "-n", lab.server.name, "addr", "add", f"{ADDRESS}/24", "dev", "eth0")
    leaf = lab.authority.issue("lerici.example", lab.folder / "leaves")
    return lab.add(Labelled(lab, lab.server, "lerici.example", [ADDRESS], leaf, {"juliet": "balcony", "romeo": "orchard"}))


@pytest.fixture
def pair(lucca, user, new_wall):
    wall = new_wall(policy.service() + RULES, certificates=[lucca.certificate]).start()
    return user("juliet", lucca, 11), user("romeo", lucca, 12), wall


def message(to, text, label):
    return f"<message to='{to}' type='chat' id='{text}'><body>{text}</body>{label}</message>"


def label(display, content=""):
    return (f"<securitylabel xmlns='urn:xmpp:sec-label:0'><displaymarking>{display}</displaymarking><label>{content}</label>"
            "</securitylabel>")


def test_catalog_and_its_labels(pair):
    """The catalog passes; of its labels one is released, one is not."""
    juliet, romeo, wall = pair
    juliet.ask("send", xml="<iq type='get' id='catalog' to='lerici.example'><catalog xmlns='urn:xmpp:sec-label:catalog:2' "
               "to='lerici.example'/></iq>")
    answer = ET.fromstring(juliet.stanza("sec-label:catalog:2"))
    items = {i.get("selector"): i.find("l:securitylabel", NS) for i in answer.iterfind(".//c:item", NS)}
    assert set(items) == {"Open", "Closed"}
    said = {name: ET.tostring(item, encoding="unicode") for name, item in items.items()}
    for name, text in said.items():
        juliet.ask("send", xml=message(romeo.jid, name, text))
    romeo.body("Open")
    error = juliet.stanza("policy-violation", 'id="Closed"', kind="message")
    assert "its label keeps it here" in error
    juliet.ask("send", xml=message(romeo.jid, "last", said["Open"]))
    romeo.body("last")
    assert not romeo.saw("Closed")
    assert wall.event(rule="withheld")["xmpp"]["verdict"] == "reject"


@pytest.mark.parametrize("name,marked,passes", [
    ("released", label("OPEN"), True),
    ("by-class", label("whatever", CLASS_1), True),
    ("class-counts", label("UNCLASSIFIED", CLASS_5), False),
    ("case", label("Unclassified"), False),
    ("cyrillic", label("UNCL\u0410SSIFIED"), False),
    ("two", label("OPEN") + label("SECRET"), False),
    ("none", "", False),
    ("inside", f"<x xmlns='urn:x'>{label('OPEN')}</x>", False),
], ids=lambda v: v if isinstance(v, str) and "<" not in v else "")
def test_released_or_not(pair, name, marked, passes):
    juliet, romeo, _ = pair
    juliet.ask("send", xml=message(romeo.jid, name, marked))
    if passes:
        romeo.body(name)
        return
    juliet.stanza("policy-violation", f'id="{name}"', kind="message")
    juliet.ask("send", xml=message(romeo.jid, "marker", label("OPEN")))
    romeo.body("marker")
    assert not romeo.saw(f">{name}<")


def test_review(pair):
    """What has to be looked at waits for an operator, who lets it go."""
    juliet, romeo, wall = pair
    juliet.ask("send", xml=message(romeo.jid, "please", label("FOR REVIEW")))
    kept = wait_for(lambda: wall.ctl("quarantine", "list")["quarantine"], 10, "a message in quarantine")
    assert kept[0]["rule"] == "review" and not romeo.saw("please")
    assert wall.ctl("quarantine", "release", kept[0]["id"])["id"] == kept[0]["id"]
    romeo.body("please")
