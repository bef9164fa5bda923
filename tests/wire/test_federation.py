# SPDX-License-Identifier: BSD-2-Clause
"""Federation of real servers in every combination, without a firewall and with one before either or both."""
import os

import pytest

from federation import KINDS, Federation

COMBINATIONS = ["PP", "PE", "EP", "EE"]


@pytest.fixture(scope="module", params=COMBINATIONS)
def federation(request):
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with Federation(request.param) as made:
        yield made


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind or "plain")
def test_servers_federate_by_themselves(federation, kind):
    """What the lab stands on: without a firewall each kind of domain works, and is believed as it should be."""
    federation.exchange(kind, how={"dialback" if kind == "dial" else "external"})
