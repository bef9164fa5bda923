# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures: one lab with both servers for the whole run, users that end with their test."""
import itertools
import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import policy  # noqa: E402
from client import Client  # noqa: E402
from lab import Authority, Lab  # noqa: E402
from servers import Ejabberd, Prosody  # noqa: E402
from wall import Wall, missing_programs  # noqa: E402

_walls = itertools.count(1)




def pytest_configure(config):
    """Ended politely, a run removes its namespaces as on an interrupt."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.addinivalue_line("markers", "alone: measures time, so nothing else may run beside it (run_all.py)")


USERS = {"juliet": "balcony", "romeo": "orchard", "mercutio": "queen-mab", "tybalt": "rapier", "nurse": "aqua-vitae"}


@pytest.fixture(scope="session")
def lab():
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with Lab() as made:
        made.authority = Authority(made.folder / "ca")
        yield made


@pytest.fixture(scope="session")
def prosody(lab):
    leaf = lab.authority.issue("verona.example", lab.folder / "leaves")
    return lab.add(Prosody(lab, lab.server, "verona.example", ["198.51.100.10", "2001:db8:2::10"], leaf, USERS))


@pytest.fixture(scope="session")
def ejabberd(lab):
    leaf = lab.authority.issue("mantua.example", lab.folder / "leaves")
    return lab.add(Ejabberd(lab, lab.server, "mantua.example", ["198.51.100.20", "2001:db8:2::20"], leaf, USERS))


@pytest.fixture(params=["prosody", "ejabberd"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def new_client(lab):
    """Clients that are not logged in yet; all end with the test."""
    made = []

    def make(name="user"):
        made.append(Client(lab, name))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def user(new_client):
    """user(name, server, client number, …): logged in and present."""
    return lambda name, *arguments, **keywords: new_client(name).login(arguments[0], name, *arguments[1:], **keywords)


@pytest.fixture(scope="session")
def leaves(lab, prosody, ejabberd):
    """The very certificates the two servers use."""
    return [lab.folder / "leaves" / f"{s.domain}.crt" for s in (prosody, ejabberd)]


@pytest.fixture
def new_wall(lab, leaves):
    """new_wall(configuration, …): configured, not started; ends with the test."""
    made = []
    if missing_programs():
        pytest.skip("not built: " + ", ".join(missing_programs()))

    def make(configuration, namespace=None, certificates=leaves, **files):
        wall = Wall(lab, f"wall-{next(_walls)}", namespace)
        made.append(wall)
        wall.write(**dict(policy.LISTS, **files), **{"xmppwall.conf": configuration})
        for leaf in certificates:
            wall.certificate(leaf)
        return wall

    yield make
    for wall in made:
        wall.close()


@pytest.fixture(scope="module")
def wall(lab, leaves):
    """The standard policy before both servers, for a whole module; XMPPWALL_LAB_ONLY proves the tests without it."""
    if os.environ.get("XMPPWALL_LAB_ONLY"):
        yield None
        return
    if missing_programs():
        pytest.skip("not built: " + ", ".join(missing_programs()))
    made = Wall(lab, f"wall-{next(_walls)}")
    made.write(**policy.LISTS, **{"xmppwall.conf": policy.STANDARD})
    for leaf in leaves:
        made.certificate(leaf)
    try:
        yield made.start()
    finally:
        made.close()
