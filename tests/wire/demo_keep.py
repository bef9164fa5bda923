# SPDX-License-Identifier: BSD-2-Clause
"""quickstart --keep: the demonstration is played by a process of its own, which then stays behind and keeps the lab up
until --clean (or SIGTERM) ends it. Its id lies in /run/xmppwall-quickstart."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys

from lab import ROOT, LabError, wait_for
from wall import BUILD

STATE = pathlib.Path("/run/xmppwall-quickstart")


def _keeper():
    """The id of the process that keeps a lab up, None if there is none."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(STATE.read_text())
        if b"--held" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def start(program):
    """Plays the demonstration in a process of its own and returns when it is done or failed."""
    if _keeper():
        print("one is up already; ./quickstart --clean removes it", flush=True)
        return 1
    done, tell = os.pipe()
    process = subprocess.Popen(["/usr/bin/python3", program, "--keep", "--held"], start_new_session=True, pass_fds=[tell],
                               env=dict(os.environ, XMPPWALL_DEMO_FD=str(tell)), stdin=subprocess.DEVNULL)
    os.close(tell)
    try:
        if os.read(done, 1):
            return 0
    except KeyboardInterrupt:
        process.terminate()
    return process.wait() or 1


def hold(demo):
    """Prints what to try, lets the starter go and waits for the end."""
    STATE.write_text(str(os.getpid()))
    print(what_to_try(demo), flush=True)
    with open(os.devnull, "r+") as nothing:
        for number in (0, 1, 2):
            os.dup2(nothing.fileno(), number)
    with contextlib.suppress(KeyError, OSError):
        os.write(int(os.environ["XMPPWALL_DEMO_FD"]), b".")
        os.close(int(os.environ["XMPPWALL_DEMO_FD"]))
    try:
        signal.pause()
    finally:
        STATE.unlink(missing_ok=True)


def what_to_try(demo):
    lab, wall = demo.lab, demo.wall
    return f"""
It stays up. In a root shell:

  ctl="ip netns exec {lab.firewall.name} {BUILD}/bin/xmppwallctl --run-dir {wall.folder}/run"
  say="ip netns exec {lab.client.name} /usr/bin/python3 {ROOT}/tests/wire/say.py --lab {lab.folder}"

  $ctl status                                     what runs, what needs attention
  $ctl events -f                                  verdicts as they fall
  $say "good morrow"                              tybalt writes to juliet; what both saw is printed
  $say "cas‍ino bonus"                             the keyword with a zero-width joiner in it
  $ctl list add spam_words "good morrow"          and say it again
  $ctl ban 192.0.2.23 --for 1m --why "tired"      tybalt's address; $ctl bans, $ctl unban 192.0.2.23
  ip netns exec {lab.firewall.name} nft list table inet xmppwall
  tail -f {demo.prosody.log}
  less {wall.config}                       the configuration; rules.d/ and lists/ beside it, then $ctl reload

  ./quickstart --clean                            removes all of it
"""


def clean():
    pid = _keeper()
    if not pid:
        print("nothing is up", flush=True)
        return 0
    os.kill(pid, signal.SIGTERM)
    try:
        wait_for(lambda: not os.path.exists(f"/proc/{pid}") or _is_zombie(pid), 30, "the demonstration to end")
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    print("removed", flush=True)
    return 0


def _is_zombie(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    return True
