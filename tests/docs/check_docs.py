#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compares the manuals with the code: `check_docs.py fields|settings|grammar|examples|deploy DOC_TABLES [--write]`.

fields, settings: the table between the markers is what doc_tables prints (--write puts it there).
grammar: the EBNF of RULES.md has the words the parser has, and the parser takes random sentences made from it.
examples: every ```xmppwall block of the manuals parses and checks.
deploy: every arrangement among the examples is told of and tested."""
import pathlib
import random
import re
import subprocess
import sys

REGIONS = {"fields": ("docs/RULES.md", "fields"), "settings": ("docs/CONFIG.md", "settings")}
MANUALS = ["README.md"] + sorted(str(p) for p in pathlib.Path("docs").glob("*.md"))
SENTENCES = 4000


def doc_tables(tool, what, text=None):
    done = subprocess.run([tool, what], input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def check_region(tool, what, write):
    path, name = REGIONS[what]
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    text = pathlib.Path(path).read_text()
    before, found, rest = text.partition(begin)
    held, closed, behind = rest.partition(end)
    if not found or not closed:
        return [f"{path}: no {begin.strip()} and {end}"]
    _, wanted = doc_tables(tool, what)
    if write:
        pathlib.Path(path).write_text(before + begin + wanted + end + behind)
        return []
    if held == wanted:
        return []
    have, want = held.split("\n"), wanted.split("\n")
    return [f"{path}: not in the code: {line}" for line in have if line not in want] + \
           [f"{path}: missing: {line}" for line in want if line not in have] or [f"{path}: the order differs"]


# ---- grammar ----

TOKENS = {
    "NAME": ["a", "b_1", "office-2"],
    "WORD": ["chat", "c2s", "groupchat", "example.org", "a@b.example/c", "1und1.de"],
    "FIELD": ["text", "url.host", "message.body", "stranger", "message"],
    "STRING": ['"x"', '"a\\"b"', '"\\u{200d}"', '""'],
    "NUMBER": ["0", "17", "0x1f"],
    "DURATION": ["250ms", "90s", "10m", "1h", "7d"],
    "SIZE": ["64k", "10M", "1G"],
    "RATE": ["20/second", "5/10m", "1/h", "64k/second"],
    "ADDRESS": ["192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "192.0.2.5-192.0.2.9", "[2001:db8::7]:5222"],
    "TIME": ["08:30", "22:00-06:00"],
    "REGEX": ["/a+/", "/a\\/b/if"],
    "LENGTH": ["/24", "/0", "/128"],
    "SET": ["@hosts", "@a.b"],
    "DEFINED": ["$hosts", "$a-b"],
}


def read_grammar():
    text = pathlib.Path("docs/RULES.md").read_text()
    block = re.search(r"```ebnf\n(.*?)```", text, re.S).group(1)
    block = re.sub(r"\(\*.*?\*\)", "", block, flags=re.S)
    words = re.findall(r'"[^"]*"|[A-Za-z-]+|[=|;()\[\]{}]', block)
    rules, at = {}, 0
    while at < len(words):
        name = words[at]
        assert words[at + 1] == "=", f"'=' expected behind {name}"
        rules[name], at = read_choice(words, at + 2)
        assert words[at] == ";", f"';' expected at the end of {name}, got {words[at]}"
        at += 1
    return rules


def read_choice(words, at):
    options = []
    while True:
        sequence, at = read_sequence(words, at)
        options.append(sequence)
        if words[at] != "|":
            return ("choice", options), at
        at += 1


def read_sequence(words, at):
    closing = {"(": ")", "[": "]", "{": "}"}
    parts = []
    while words[at] not in "|;)]}":
        if words[at] in closing:
            kind, close = words[at], closing[words[at]]
            inner, at = read_choice(words, at + 1)
            assert words[at] == close, f"{close} expected, got {words[at]}"
            parts.append((kind, inner))
        else:
            parts.append(("word", words[at]))
        at += 1
    return ("sequence", parts), at


def terminals(node):
    kind, inner = node
    if kind == "word":
        return {inner}
    return set().union(*(terminals(n) for n in (inner if isinstance(inner, list) else [inner])))


def make(rules, node, depth, out):
    kind, inner = node
    if kind == "choice":
        # Deep inside, the first choice is the way out.
        make(rules, inner[0] if depth > 22 else random.choice(inner), depth, out)
    elif kind == "sequence":
        for part in inner:
            make(rules, part, depth, out)
    elif kind == "(":
        make(rules, inner, depth, out)
    elif kind in "[{":
        for _ in range(0 if depth > 22 else random.choice([0, 1] if kind == "[" else [0, 1, 1, 2, 3])):
            make(rules, inner, depth, out)
    elif inner.startswith('"'):
        out.append(inner[1:-1])
    elif inner in TOKENS:
        out.append(random.choice(TOKENS[inner]))
    else:
        make(rules, rules[inner], depth + 1, out)


def check_grammar(tool):
    rules = read_grammar()
    used = set().union(*(terminals(n) for n in rules.values()))
    faults = [f"docs/RULES.md: nothing is said about {w}" for w in sorted(used)
              if not w.startswith('"') and w not in rules and w not in TOKENS]
    faults += [f"docs/RULES.md: the grammar does not use {w}" for w in sorted(set(rules) - used) if w != "policy"]
    _, words = doc_tables(tool, "words")
    faults += [f"docs/RULES.md: the grammar lacks \"{w}\"" for w in words.split() if f'"{w}"' not in used]
    if faults:
        return faults
    random.seed(6120)
    text = ""
    for _ in range(SENTENCES):
        out = []
        make(rules, rules["item"], 0, out)
        if "include" not in out:  # there is nothing to include
            text += " ".join(out) + "\n%%\n"
    code, said = doc_tables(tool, "parse", text)
    print(said.strip().split("\n")[-1])
    return [said[:3000]] if code else []


# ---- examples ----

def check_examples(tool):
    text, n = "", 0
    for path in MANUALS:
        for block in re.findall(r"```xmppwall\n(.*?)```", pathlib.Path(path).read_text(), re.S):
            text += re.sub(r'^include "[^"]*\*[^"]*";?$', "", block, flags=re.M) + "%%\n"
            n += 1
    code, said = doc_tables(tool, "check", text)
    print(said.strip().split("\n")[-1])
    return [said] if code else []


# ---- arrangements ----

def check_deploy(_):
    """Each file of docs/examples/deploy, and those beside it, stands in DEPLOY.md or DEPLOY-FEDERATION.md as it is and is run by a wire test."""
    page = "".join(pathlib.Path(f"docs/{name}.md").read_text() for name in ("DEPLOY", "DEPLOY-FEDERATION"))
    tests = "".join(pathlib.Path(f"tests/wire/test_{name}.py").read_text() for name in ("deploy", "deploy_federation", "backends", "serverless", "bosh", "authority"))
    folder = pathlib.Path("docs/examples")
    faults = []
    for path in [*sorted((folder / "deploy").iterdir()), *sorted(folder.glob("*.conf"))]:
        name = str(path.relative_to(folder))
        if f"examples/{name}" not in page or path.read_text() not in page:
            faults.append(f"docs/DEPLOY.md, docs/DEPLOY-FEDERATION.md: {path} is missing or stands there otherwise")
        if f'"{name}"' not in tests:
            faults.append(f"{path} is not run by test_deploy.py, test_backends.py, test_serverless.py, test_bosh.py or test_authority.py of tests/wire")
    return faults


def main():
    what, tool = sys.argv[1:3]
    if what in REGIONS:
        faults = check_region(tool, what, "--write" in sys.argv)
    else:
        faults = {"grammar": check_grammar, "examples": check_examples, "deploy": check_deploy}[what](tool)
    for line in faults:
        print(line)
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
