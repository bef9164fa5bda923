#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What ./run-tests does once the packages are in: builds the presets, runs ctest and pytest, counts every test of every
kind with the reason of each that failed or was skipped, and closes with one plain line."""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parents[2]
# preset, folder, which ctest names run there (None: all), how long ctest may take
BUILDS = [
    ("release", "build", None, 600),
    ("asan", "build-asan", "^(unit|rules|diag|streams|fuzz)/", 900),
    ("clang", "build-clang", "", 0),
]
WIRE_SECONDS = 1500
# Each pytest has namespaces and servers of its own, so two run side by side; those that measure time have the machine to themselves.
WIRE_PARTS = [
    ("two side by side", ["-n", "2", "--dist", "loadfile", "-m", "not alone"]),
    ("alone", ["-m", "alone"]),
]
AGAIN_MAX = 8  # wire tests tried a second time, alone: real servers on a busy machine miss a deadline now and then
ENVIRONMENT = dict(os.environ, LC_ALL="C.UTF-8", UBSAN_OPTIONS="print_stacktrace=1",
                   ASAN_OPTIONS="detect_leaks=1:abort_on_error=0")


class Tally:
    """Counts results and says each one that is not a plain pass."""

    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.remarks = []

    def add(self, status, name, why="", detail=""):
        self.counts[status] += 1
        if status == "passed":
            return
        remark = f"{status.upper()} {name}" + (f": {why}" if why else "")
        self.remarks.append(remark)
        say("  " + remark)
        if detail and status == "failed":
            tail = detail.strip().split("\n")[-40:]
            print("".join(f"      {line}\n" for line in tail), end="", flush=True)


def say(text):
    print(text, flush=True)


def first_line(text):
    lines = [line.strip() for line in (text or "").strip().split("\n") if line.strip()]
    return lines[0][:200] if lines else ""


def run(command, seconds, **kwargs):
    """Runs to the end or to the deadline; 124 and what was said so far if it took too long."""
    try:
        done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, timeout=seconds, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **kwargs)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        out = late.stdout or b""
        return 124, out.decode(errors="replace") if isinstance(out, bytes) else out


def build(preset, folder, tally):
    """One counted test a preset: it configures and builds. What was built is tested even if something was not."""
    start = time.monotonic()
    say(f"[build] {preset}")
    status, out = run(["cmake", "--preset", preset], 300)
    if status == 0:
        status, out = run(["cmake", "--build", folder, "--", "-k", "0"], 900)
    if status == 0:
        tally.add("passed", f"build/{preset}")
    else:
        errors = re.findall(r"^.*(?:: error:|undefined reference|CMake Error|fatal:).*$", out, re.M)
        tally.add("failed", f"build/{preset}", first_line("\n".join(errors)) or f"status {status}", out)
    say(f"  {time.monotonic() - start:.0f} s")


def count_junit(path, prefix, tally, steadied=()):
    """Adds the cases of a JUnit file (ctest's or pytest's); returns how many there were. Those in steadied failed, but passed
    when they ran alone: passed, and said."""
    try:
        cases = list(ET.parse(path).getroot().iter("testcase"))
    except (OSError, ET.ParseError):
        return 0
    for case in cases:
        name = prefix + (case.get("classname", "").replace("tests.wire.", "") + "::" if prefix == "wire/" else "")
        name += case.get("name", "?")
        failure = case.find("failure") if case.find("failure") is not None else case.find("error")
        skipped = case.find("skipped")
        out = "\n".join(part.text or "" for part in case.iter() if part.tag in ("system-out", "failure", "error"))
        if failure is not None or case.get("status") == "fail":
            why = first_line(failure.get("message") if failure is not None else "")
            if name in steadied:
                tally.add("passed", name)
                tally.remarks.append(f"UNSTEADY {name}: passed at the second try, alone; at first: {why}")
            else:
                tally.add("failed", name, why, out)
        elif skipped is not None or case.get("status") in ("notrun", "disabled"):
            why = skipped.get("message", "") if skipped is not None else case.get("status")
            tally.add("skipped", name, first_line(why) or "says no reason")
        else:
            tally.add("passed", name)
    return len(cases)


def run_ctest(preset, folder, only, seconds, word, tally):
    say(f"[ctest] {preset}" + (f" ({only})" if only else ""))
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "ctest.xml"
        command = ["ctest", "--test-dir", folder, "-j2", "--timeout", "180", "--output-on-failure", "--no-tests=ignore",
                   "--output-junit", str(report)]
        listed = run(["ctest", "--test-dir", folder, "-N"] + (["-R", only] if only else []), 60)[1]
        names = re.findall(r"Test\s+#\d+: (\S+)", listed)
        if word:
            names = [name for name in names if word in name]
            if not names:
                return
            only = "^(" + "|".join(map(re.escape, names)) + ")$"
        status, out = run(command + (["-R", only] if only else []), seconds)
        prefix = "" if preset == "release" else preset + ":"
        found = count_junit(report, prefix, tally)
        if found == 0 and names:
            tally.add("failed", f"{prefix}ctest", f"no report, status {status}", out)
        say(f"  {found} tests")


def run_wire(word, tally):
    say("[pytest] tests/wire")
    if not (ROOT / "tests/wire/conftest.py").exists():
        return
    if os.geteuid() != 0:
        tally.add("skipped", "wire", "network namespaces need root")
        return
    options = ["-q", "--color=no", "-p", "no:cacheprovider"] + (["-k", word] if word else [])
    end = time.monotonic() + WIRE_SECONDS
    found = 0
    for name, which in WIRE_PARTS:
        say(f"  {name}")
        with tempfile.TemporaryDirectory() as scratch:
            found += run_wire_part(pathlib.Path(scratch), options, which, end, tally)
    say(f"  {found} tests")


def run_wire_part(scratch, options, which, end, tally):
    """Runs one part of them; what failed is tried once more, alone. How many tests it had."""
    report = scratch / "wire.xml"
    status, _ = pytest(["tests/wire"] + which + options, report, scratch / "out", end - time.monotonic())
    failed = failed_wire(report)
    steadied = set()
    if 0 < len(failed) <= AGAIN_MAX:
        say(f"  once more, alone: {', '.join(failed)}")
        again = scratch / "again.xml"
        pytest(list(failed.values()) + options, again, scratch / "again", max(WIRE_SECONDS // 4, end - time.monotonic()))
        if again.exists():
            steadied = set(failed) - set(failed_wire(again))
    found = count_junit(report, "wire/", tally, steadied)
    if found == 0 and status not in (0, 5):
        tally.add("failed", "wire", f"pytest ended with {status} and no report")
    elif status == 124:
        tally.add("failed", "wire", f"not through after {WIRE_SECONDS} s")
    return found


def pytest(arguments, report, log, seconds):
    """Runs pytest; its exit status and what it wrote."""
    command = ["/usr/bin/python3", "-m", "pytest", f"--junitxml={report}"] + arguments
    with open(log, "w") as sink:
        process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=sink, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL)
        status = follow(process, log, seconds)
    return status, log.read_text(errors="replace")


def failed_wire(report):
    """Names of the failed cases, as counted, with what pytest calls them."""
    try:
        cases = list(ET.parse(report).getroot().iter("testcase"))
    except (OSError, ET.ParseError):
        return {}
    found = {}
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            module = case.get("classname", "").replace("tests.wire.", "")
            found[f"wire/{module}::{case.get('name')}"] = f"tests/wire/{module}.py::{case.get('name')}"
    return found


def follow(process, log, seconds):
    """Shows what pytest writes while it runs; asks it to end (it removes its namespaces then) when it takes too long."""
    end, shown = time.monotonic() + seconds, 0
    while True:
        try:
            status = process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            status = None
        text = log.read_text(errors="replace")
        for line in text[shown:text.rfind("\n") + 1].splitlines():
            if re.match(r"^\S*test_\w+\.py|^[.FsExX]+\s*\[", line):
                say("  " + line)
        shown = max(shown, text.rfind("\n") + 1)
        if status is not None:
            return status
        if time.monotonic() > end:
            process.send_signal(2)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
            return 124


def main():
    parser = argparse.ArgumentParser(prog="run-tests")
    parser.add_argument("--fast", action="store_true", help="only the release build")
    parser.add_argument("-k", dest="word", default="", help="only tests whose name holds WORD")
    arguments = parser.parse_args()
    tally, start = Tally(), time.monotonic()
    for preset, folder, only, seconds in BUILDS[:1] if arguments.fast else BUILDS:
        build(preset, folder, tally)
        if only != "":
            run_ctest(preset, folder, only, seconds, arguments.word, tally)
    run_wire(arguments.word, tally)
    say(f"\n{time.monotonic() - start:.0f} s")
    for remark in tally.remarks:
        say(remark)
    say(", ".join(f"{tally.counts[kind]} {kind}" for kind in ("passed", "failed", "skipped")))
    return 1 if tally.counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
