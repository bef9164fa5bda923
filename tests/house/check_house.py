#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks the shape of the tree: `check_house.py includes|libraries|sizes|tour`. Prints each offence, exits 1 if any."""
import pathlib
import re
import sys

FLOORS = ["base", "xmpp", "rules"]  # each may include those before it
DOORS = {"door": FLOORS + ["ctl/link.h"], "proxy": FLOORS + ["door", "ctl/link.h"], "nfq-filter": FLOORS + ["door", "ctl/link.h"], "ctl": FLOORS, "fetch": FLOORS[:1], "report": FLOORS[:2], "ca": FLOORS[:2]}

# header (prefix) -> the only files that may include it
ROOMS = {
    "expat.h": [],  # what the tests compare xmpp/xml.c with
    "unicode/": ["xmpp/text*.c", "xmpp/jid.c", "rules/zone.c"],
    "hs.h": ["rules/pattern*.c"],
    "hs/": ["rules/pattern*.c"],
    "pcre2.h": ["rules/pattern*.c"],
    "nettle/": ["rules/hash.c", "report/component.c"],
    "nftables/": ["ctl/nft*.c"],
    "libnftnl/": ["ctl/nft*.c"],
    "curl/": ["fetch/main.c"],
    "curses.h": ["ctl/screen.c"],
    "ncursesw/": ["ctl/screen.c"],
    "unbound.h": ["proxy/lookup.c"],
    "sqlite3.h": ["ctl/ledger*.[ch]", "ctl/quarantine.c"],
    "libmnl/": ["nfq-filter/queue*.c", "ctl/nft*.[ch]", "ctl/kernel.c", "ctl/route*.c"],
}
SIZE_MAX = 600


def sources():
    for folder in FLOORS + list(DOORS):
        for path in sorted(pathlib.Path(folder).glob("*.[ch]")):
            yield path


def includes_of(path):
    for number, line in enumerate(path.read_text().split("\n"), 1):
        found = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1), found.group(2)


def check_includes():
    for path in sources():
        room = path.parts[0]
        allowed = DOORS.get(room) or FLOORS[: FLOORS.index(room)]
        for number, quote, name in includes_of(path):
            if quote != '"':
                continue
            if "/" not in name:
                yield f"{path}:{number}: '{name}' must be written from the root"
            elif name.split("/")[0] != room and name.split("/")[0] not in allowed and name not in allowed:
                yield f"{path}:{number}: {room}/ must not lean on {name}"
            elif not pathlib.Path(name).exists():
                yield f"{path}:{number}: {name} does not exist"


def check_libraries():
    for path in sources():
        for number, quote, name in includes_of(path):
            for header, rooms in ROOMS.items():
                if quote == "<" and (name == header or (header.endswith("/") and name.startswith(header))):
                    if not any(path.match(room) for room in rooms):
                        yield f"{path}:{number}: <{name}> belongs to {', '.join(rooms) or 'no program'}"
            if quote == "<" and name.startswith("openssl/") and path.parts[0] not in ("proxy", "ca"):
                yield f"{path}:{number}: OpenSSL stays in proxy/ and ca/ (it must not meet libnftables, GPL-2)"


def check_sizes():
    for path in sources():
        text = path.read_text()
        lines = text.count("\n")
        if lines > SIZE_MAX:
            yield f"{path}: {lines} lines, the ceiling is {SIZE_MAX}"
        if not text.startswith("/* SPDX-License-Identifier: BSD-2-Clause */"):
            yield f"{path}: no SPDX line"
        if path.suffix == ".h" and "#pragma once" not in text:
            yield f"{path}: no #pragma once"
        if path.suffix == ".c" and "/*" not in "".join(text.split("\n")[1:3]):
            yield f"{path}: does not say where it stands in the data's way"


def check_tour():
    tour = pathlib.Path("docs/TOUR.md").read_text()
    named = set(re.findall(r"`((?:base|xmpp|rules|door|proxy|nfq-filter|ctl|fetch|report|ca)/[a-z0-9_]+\.[ch])`", tour))
    for path in sources():
        module = {str(path.with_suffix(".c")), str(path.with_suffix(".h"))}
        if not module & named and not path.name.endswith("_int.h"):
            yield f"docs/TOUR.md does not name {path}"
    for name in sorted(named):
        if not pathlib.Path(name).exists():
            yield f"docs/TOUR.md names {name}, which does not exist"


def main():
    checks = {"includes": check_includes, "libraries": check_libraries, "sizes": check_sizes, "tour": check_tour}
    offences = sorted(set(checks[sys.argv[1]]()))
    for line in offences:
        print(line)
    print(f"{len(offences)} offences")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
