#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""One message in a lab that ./quickstart --keep left up, and what either end saw of it. Run it in the client namespace:

    ip netns exec NAMESPACE /usr/bin/python3 tests/wire/say.py --lab FOLDER "some text"
"""
import argparse
import asyncio
import contextlib
import os
import pathlib
import sys

with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # slixmpp remarks on its own speed
    import slixmpp
    from quickstart import DOMAIN, SOURCES, USERS
    from wireclient import Loop

SERVER = "198.51.100.10"


class End(slixmpp.ClientXMPP):
    """One of the two; got holds (type, body or error text) of each message it is sent."""

    def __init__(self, name, folder):
        super().__init__(f"{name}@{DOMAIN}/try", USERS[name])
        self.use_aiodns, self.auto_reconnect, self.ca_certs = False, False, str(folder / "ca/ca.crt")
        self.up, self.got = asyncio.get_event_loop().create_future(), asyncio.Queue()
        self.add_event_handler("session_start", self.start)
        self.add_event_handler("connection_failed", lambda why: self.up.done() or self.up.set_exception(OSError(str(why))))
        self.add_filter("in", self.take)

    def start(self, _):
        self.send_presence()
        if not self.up.done():
            self.up.set_result(True)

    def take(self, stanza):
        if stanza.name == "message":
            self.got.put_nowait((stanza["type"], self.error(stanza) if stanza["type"] == "error" else stanza["body"]))
        return stanza

    @staticmethod
    def error(stanza):
        """slixmpp does not know every condition of RFC 6120 by name, so it is read from the XML."""
        names = [child.tag.split("}")[1] for child in stanza["error"].xml]
        return f"{', '.join(n for n in names if n != 'text')}: {stanza['error']['text']}"


async def dial(network, name, folder):
    network.source = f"192.0.2.{SOURCES[name]}"
    end = End(name, folder)
    end.connect((DOMAIN, 5222))
    try:
        await asyncio.wait_for(end.up, 10)
    except (OSError, asyncio.TimeoutError):
        raise SystemExit(f"{name} at {network.source} cannot log in (blocked?)") from None
    return end


async def converse(arguments):
    network = Loop(asyncio.get_event_loop())
    network.names = {DOMAIN: SERVER}
    receiver = await dial(network, arguments.to, arguments.lab)
    sender = await dial(network, arguments.sender, arguments.lab)
    sender.send_message(receiver.boundjid.full, arguments.text, mtype="chat")
    sender.send_message(receiver.boundjid.full, "(that was all)", mtype="chat")
    reached = False
    while (seen := await asyncio.wait_for(receiver.got.get(), 15))[1] != "(that was all)":
        reached = True
        print(f"{arguments.to} saw: {seen[1]}")
    if not reached:
        print(f"{arguments.to} saw nothing of it")
    while not sender.got.empty():
        print(f"{arguments.sender} was told: {sender.got.get_nowait()[1]}")
    await asyncio.gather(sender.disconnect(wait=1), receiver.disconnect(wait=1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lab", type=pathlib.Path, required=True)
    parser.add_argument("--from", dest="sender", default="tybalt", choices=USERS)
    parser.add_argument("--to", default="juliet", choices=USERS)
    parser.add_argument("text")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(converse(parser.parse_args()))
    sys.stdout.flush()
    os._exit(0)  # slixmpp's own tasks are still pending and would complain


if __name__ == "__main__":
    main()
