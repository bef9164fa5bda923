#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A conversation in clear text, led by slixmpp as Debian ships it: two users, one with STARTTLS, and an external component.

    cleartalk.py DOMAIN ADDRESS ADDRESS6 CA SECRET

Prints one JSON line a message body that was sent, with who sent it in which way; ends when everything has been answered."""
import asyncio
import json
import sys

import slixmpp

DOMAIN, ADDRESS, ADDRESS6, CA, SECRET = sys.argv[1:6]
USERS = {"juliet": "balcony", "romeo": "orchard", "nurse": "aqua-vitae"}
SPAM = "Free crypto at the apothecary's"
LINK = "look at http://login.bad.example/tomb"


def sent(who, body, way):
    print(json.dumps({"who": who, "body": body, "way": way}), flush=True)


class Talker:
    """What users and the component have in common: waiting."""

    def __init__(self, xmpp):
        self.xmpp, self.bodies, self.ready = xmpp, asyncio.Queue(), asyncio.Event()
        xmpp.use_aiodns = xmpp.auto_reconnect = False
        xmpp.add_event_handler("session_start", lambda _: self.ready.set())
        xmpp.add_event_handler("message", lambda m: self.bodies.put_nowait(m["body"]))
        xmpp.add_event_handler("groupchat_message", lambda m: None)

    async def wait(self, what, seconds=20):
        return await asyncio.wait_for(what, seconds)

    async def hear(self, body):
        while await self.wait(self.bodies.get()) != body:
            pass

    def say(self, who, to, body, way="clear", kind="chat"):
        self.xmpp.send_message(to, body, mtype=kind)
        sent(who, body, way)


async def user(name, address, tls=False):
    x = slixmpp.ClientXMPP(f"{name}@{DOMAIN}/{name}", USERS[name])
    x.ca_certs = CA
    x["feature_mechanisms"].unencrypted_scram = True
    for plugin in ("xep_0030", "xep_0045", "xep_0199"):
        x.register_plugin(plugin)
    t = Talker(x)
    names[DOMAIN] = address
    x.connect((DOMAIN, 5222), use_ssl=False, force_starttls=tls, disable_starttls=not tls)
    await t.wait(t.ready.wait())
    x.send_presence()
    await x.get_roster(timeout=15)
    return t


async def component():
    x = slixmpp.ComponentXMPP(f"firewall.{DOMAIN}", SECRET, ADDRESS, 5347)
    t = Talker(x)
    x.connect()
    await t.wait(t.ready.wait())
    return t


names = {}


async def talk():
    loop = asyncio.get_running_loop()
    lookup, dial = loop.getaddrinfo, loop.create_connection
    loop.getaddrinfo = lambda host, port, **k: lookup(names.get(host, host), port, **k)
    loop.create_connection = lambda factory, host=None, port=None, **k: dial(factory, names.get(host, host), port, **k)
    juliet, romeo = await user("juliet", ADDRESS), await user("romeo", ADDRESS6)
    nurse, echo = await user("nurse", ADDRESS, tls=True), await component()
    juliet.say("juliet", f"romeo@{DOMAIN}", "wherefore art thou?")
    await romeo.hear("wherefore art thou?")
    romeo.say("romeo", f"juliet@{DOMAIN}", SPAM)
    await juliet.hear(SPAM)
    romeo.say("romeo", f"juliet@{DOMAIN}", LINK)
    await juliet.hear(LINK)
    juliet.say("juliet", f"hall@firewall.{DOMAIN}", "is there anybody?")
    await echo.hear("is there anybody?")
    echo.xmpp.send_message(f"juliet@{DOMAIN}", SPAM, mfrom=f"hall@firewall.{DOMAIN}")
    sent("hall", SPAM, "component")
    await juliet.hear(SPAM)
    nurse.say("nurse", f"juliet@{DOMAIN}", "a word in secret", way="tls")
    await juliet.hear("a word in secret")
    # Long enough for several segments.
    long = "parting is such sweet sorrow " * 200
    juliet.say("juliet", f"romeo@{DOMAIN}", long)
    await romeo.hear(long)
    for i in range(12):
        romeo.say("romeo", f"juliet@{DOMAIN}", f"good night {i}")
    await juliet.hear("good night 11")
    await juliet.xmpp["xep_0030"].get_info(jid=DOMAIN, timeout=15)
    await romeo.xmpp["xep_0199"].ping(jid=DOMAIN, timeout=15)
    for t in (juliet, romeo, nurse, echo):
        await t.xmpp.disconnect(wait=2)


asyncio.run(asyncio.wait_for(talk(), 90))
