"""Runs Autobahn's cases against a server and judges what came of them. Python 2.7, like Autobahn.

usage: cases.py URL DIRECTORY [quick | CASE...]
"""

from __future__ import print_function

import json
import os
import sys
from collections import Counter
from fnmatch import fnmatch

from autobahntestsuite import case, wstest

VERDICTS = ["OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED", "FAILED"]

# 7.1.6, 7.13.1 and 7.13.2 have no right or wrong.
EXPECTED = {"OK": 514, "INFORMATIONAL": 3}

MESSAGES_WHEN_QUICK = 20


def main(url, directory, *cases):
    if cases == ("quick",):
        shorten()
        cases = ()
    run(url, directory, chosen(cases or ("*",)))
    verdicts = read(directory)
    show(verdicts)
    counts = Counter(verdicts.values())
    return set(counts) <= set(EXPECTED) if cases else counts == EXPECTED


def shorten():
    """The cases of compression say 1000 messages each."""
    for each in case.Cases:
        if each.__name__.startswith(("Case12_", "Case13_")):
            each.COUNT = MESSAGES_WHEN_QUICK


def chosen(patterns):
    names = [name_of(each) for each in case.Cases]
    names = [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
    return names or sys.exit("no such case; Autobahn would wait for its end")


def name_of(each):
    """7.13.1 for Case7_13_1"""
    return each.__name__[len("Case"):].replace("_", ".")


def run(url, directory, cases):
    server = {"agent": "worldcast", "url": url}
    rest = {"exclude-cases": [], "exclude-agent-cases": {}}
    with open(os.path.join(directory, "autobahn.log"), "w") as sys.stdout:
        wstest.start({"mode": "fuzzingclient"}, dict(rest, outdir=directory, servers=[server], cases=cases))
    sys.stdout = sys.__stdout__


def read(directory):
    with open(os.path.join(directory, "index.json")) as index:
        results = json.load(index)["worldcast"]
    return {name: verdict(each["behavior"], each["behaviorClose"]) for name, each in results.items()}


def verdict(behaviour, close):
    """One for the messages and for how the connection ended."""
    ended_well = close in ("OK", "INFORMATIONAL", "UNIMPLEMENTED")
    return behaviour if behaviour in VERDICTS and ended_well else "FAILED"


def show(verdicts):
    row("", VERDICTS)
    for group in sorted({group_of(name) for name in verdicts}):
        count(group, [found for name, found in verdicts.items() if group_of(name) == group])
    count("all", verdicts.values())
    for name in sorted(verdicts, key=lambda name: [int(number) for number in name.split(".")]):
        if verdicts[name] != "OK":
            print(verdicts[name], name)


def group_of(name):
    return int(name.split(".")[0])


def count(title, found):
    row(title, [found.count(each) for each in VERDICTS])


def row(title, cells):
    print("%4s" % title + "".join("%15s" % cell for cell in cells))


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:]) else 1)
