# SPDX-License-Identifier: BSD-2-Clause
"""The lab without the firewall: what fails here is not xmppwall's fault."""
import pytest

from lab import wait_for


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct"])
def test_chat_without_firewall(server, user, version, direct):
    juliet = user("juliet", server, 11, version=version, direct=direct)
    romeo = user("romeo", server, 12, version=version)
    juliet.say(romeo.jid, "wherefore art thou?")
    romeo.body("wherefore art thou?")
    romeo.say(juliet.jid, "here")
    juliet.body("here")


def test_server_sees_the_client(server, user):
    user("juliet", server, 17)
    wait_for(lambda: "192.0.2.17" in server.log_text(), 10, "the address in the server's log")
