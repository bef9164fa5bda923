# SPDX-License-Identifier: BSD-2-Clause
"""forward strict before clients: what crosses is what the profile names, and nothing passes beside the stanzas."""
import pathlib

import policy
from lab import ROOT

PROFILES = pathlib.Path(ROOT, "docs/examples/profiles")


def test_beside_stanzas_nothing_passes(new_wall, user, prosody):
    wall = new_wall(policy.service(more='forward strict "gateway.profile", "clients.profile";'),
                    **{path.name: path.read_text() for path in PROFILES.glob("*.profile")}).start()
    sender, receiver = user("tybalt", prosody, 21), user("juliet", prosody, 11)
    before = wall.ctl("status")["counters"]["strict.removed"]
    sender.ask("send", xml="<hidden xmlns='urn:example:beside'>words</hidden>")
    sender.ask("send", xml=f"<message to='{receiver.jid}' type='chat'><body>crossing</body><hidden xmlns='urn:example:within'/></message>")
    receiver.body("crossing")
    assert not receiver.saw("hidden")
    assert wall.ctl("status")["counters"]["strict.removed"] >= before + 2
    assert sender.alive()
