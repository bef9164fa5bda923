# SPDX-License-Identifier: BSD-2-Clause
"""The catalogue of evasions, each case through each door it applies to: one run a door, then a test for each case of it."""
import concurrent.futures
import os
import re
import sys

import pytest

from lab import ROOT
from wall import missing_programs

sys.path.append(str(ROOT / "tests" / "evasion"))

import cases  # noqa: E402
import doors  # noqa: E402
import drive  # noqa: E402
import page  # noqa: E402

CASES = cases.all_cases()
RANDOM = drive.made_up(200, seed=1)
_runs, _pool = {}, concurrent.futures.ThreadPoolExecutor(len(cases.DOORS))


def why_not(door):
    if os.geteuid() != 0:
        return "network namespaces need root"
    if missing_programs():
        return "not built: " + ", ".join(missing_programs())
    return doors.missing(door)


@pytest.fixture
def results(request, door):
    """What a run through the door found. The doors that are asked for run beside each other, each in a lab of its own."""
    if why := why_not(door):
        pytest.skip(why)
    if not _runs:
        asked = {item.callspec.params["door"] for item in request.session.items if item.path == request.path and hasattr(item, "callspec")}
        _runs.update((d, _pool.submit(drive.run, d, more=RANDOM)) for d in sorted(asked) if not why_not(d))
    try:
        return _runs[door].result()
    except Exception as error:
        pytest.fail(f"the run through {door}: {error}", pytrace=False)


@pytest.mark.parametrize("door,case", [(d, c) for d in cases.DOORS for c in CASES if d in c.expect], ids=lambda v: v if isinstance(v, str) else v.id)
def test_case(results, door, case):
    assert results[case.id].right, results[case.id].line()


@pytest.mark.parametrize("door", cases.DOORS)
def test_random(results, door):
    """Segments in any order and wrong in any way: the word never arrives; only late, doubled, in pieces: all arrives."""
    wrong = [results[case.id].line() for case in RANDOM if not results[case.id].right]
    assert not wrong, wrong


@pytest.mark.parametrize("door", cases.DOORS)
def test_compared(results, door):
    """The 29 that another inspector was measured on."""
    assert drive.compared(results.values()) == "stopped 26 of 26, harmed 0 of 3, streams alive 29 of 29"


def test_every_line_is_answered():
    """Each line of the catalogue has cases, or says where else it is tried, and that is there."""
    lines = {case.line for case in CASES}
    for number, (what, elsewhere) in cases.catalogue().items():
        if number in lines or elsewhere == "later":
            continue
        file, _, name = elsewhere.partition("::")
        assert file and name in (ROOT / file).read_text(), f"{number} {what}"
    assert sorted(cases.catalogue()) == list(range(1, 88))


def test_the_page_is_of_these_cases():
    """docs/EVASION.md counts what is here; what came out of them is a run's business."""
    text = (ROOT / "docs/EVASION.md").read_text()
    assert text.startswith(page.HEAD)
    heads = [h.strip() for h in re.search(r"^\| \| \| (.*) \|$", text, re.M)[1].split("|")]
    for number in cases.catalogue():
        row = re.search(rf"^\| {number} \|.*$", text, re.M)
        cells = [cell.strip() for cell in row[0].split("|")[3:-1]]
        for door, cell in zip(heads, cells):
            there = sum(case.line == number and door in case.expect for case in CASES)
            assert int(cell.split()[-1] if cell else 0) == there, f"line {number}, {door}: run tests/evasion/drive.py --write docs/EVASION.md"
