#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stream management under losses for as long as one likes: tests/wire/soak.py with both servers and both client libraries.

    sudo XMPPWALL_BUILD=build tests/bench/soak_sm.py [--cycles 2000] [--pairs 6] [--seed 1] [--server prosody|ejabberd] [--keep DIR]

A cycle is a lost connection and a resumption. Messages are numbered; rules drop and bounce some of them in both directions;
connections are cut by their client, and by ss -K on the client's, the firewall's or the server's host (where the kernel has
CONFIG_INET_DIAG_DESTROY); xmppwall-proxy is killed with SIGKILL every 30 s, xmppwalld restarted every 100 s. Status 1 if a message was
lost or came twice, an error was lost or came twice, a resumption was refused or a stream ended with an error."""
import argparse
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))

import conftest  # noqa: E402
import policy  # noqa: E402
import soak  # noqa: E402
from lab import Authority, Lab  # noqa: E402
from servers import Ejabberd, Prosody  # noqa: E402
from wall import Wall  # noqa: E402

SERVERS = {"prosody": (Prosody, "verona.example", ["198.51.100.10", "2001:db8:2::10"]),
           "ejabberd": (Ejabberd, "mantua.example", ["198.51.100.20", "2001:db8:2::20"])}

# nbxmpp 4.2.2 loses messages with ejabberd 23.01, with and without a firewall between them, and in some hundred cycles ejabberd loses and
# doubles a few with slixmpp, too: --without-wall shows it.
LIBRARIES = {"prosody": "slixmpp,nbxmpp", "ejabberd": "slixmpp"}


def soak_server(lab, name, arguments):
    make, domain, addresses = SERVERS[name]
    leaf = lab.authority.issue(domain, lab.folder / "leaves")
    server = lab.add(make(lab, lab.server, domain, addresses, leaf, conftest.USERS))
    wall = None
    if not arguments.without_wall:
        wall = Wall(lab, f"wall-{name}")
        wall.write(**policy.LISTS, **{"xmppwall.conf": soak.POLICY})
        wall.certificate(leaf)
        wall.start()
    one = soak.Soak(lab, wall, server, (arguments.libraries or LIBRARIES[name]).split(","), arguments.pairs, arguments.seed)
    try:
        took = one.run(arguments.seconds, arguments.cycles, kill_every=arguments.kill_every,
                       restart_every=arguments.restart_every if wall else None)
        wrong, counts = one.settle(30)
        print(f"{name}: {took:.0f} s {counts} {soak.counters(wall) if wall else ''}")
        for line in wrong[:40]:
            print("   ", line)
        print(f"{name}: {'WRONG' if wrong else 'nothing lost, nothing twice, no stream error'}", flush=True)
    finally:
        one.close()
        if arguments.keep:
            shutil.copytree(lab.folder, pathlib.Path(arguments.keep) / name, dirs_exist_ok=True,
                            ignore=lambda folder, files: [f for f in files if not f.endswith(".log")
                                                     and not (pathlib.Path(folder) / f).is_dir()])
        if wall:
            wall.close()
    return not wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--libraries", help="slixmpp, nbxmpp, or both with a comma")
    parser.add_argument("--kill-every", type=float, default=30)
    parser.add_argument("--restart-every", type=float, default=100)
    parser.add_argument("--without-wall", action="store_true", help="the same without the firewall: what the others do by themselves")
    parser.add_argument("--keep", help="a folder for the logs: the users' diaries, the server's, the firewall's")
    parser.add_argument("--server", choices=SERVERS)
    arguments = parser.parse_args()
    with Lab() as lab:
        lab.authority = Authority(lab.folder / "ca")
        good = [soak_server(lab, name, arguments) for name in ([arguments.server] if arguments.server else SERVERS)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
