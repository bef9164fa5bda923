# SPDX-License-Identifier: BSD-2-Clause
"""A program in a terminal of its own: tmux draws it, and tells what a person would see."""
import os
import subprocess

from lab import wait_for


class Screen:
    """One window of a tmux server of its own; keys as tmux names them (Down, Enter, Escape, Tab, BTab, q)."""

    def __init__(self, folder, command, columns=80, rows=24, locale="C.UTF-8", **environment):
        self.socket = folder / f"tmux-{os.getpid()}-{id(self)}"
        self.log = self.socket.with_suffix(".log")
        settings = {"LC_ALL": locale, "TERM": "screen-256color", **environment}
        # What the program writes goes into a file, too: the bytes, before tmux makes a screen of them.
        words = " ".join(f"'{word}'" for word in map(str, command))
        words = " ".join(f"{name}='{value}'" for name, value in settings.items()) + f" {words}; echo \"left with $?\"; exec cat"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows, "-s", "s", words)
        self.tmux("pipe-pane", "-t", "s", f"cat >> '{self.log}'")

    def tmux(self, *words):
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        done = subprocess.run(["tmux", "-u", "-S", str(self.socket), *map(str, words)], env=environment, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def text(self):
        return self.tmux("capture-pane", "-p", "-t", "s")

    def lines(self):
        return self.text().splitlines()

    def colours(self):
        """With the sequences that colour it."""
        return self.tmux("capture-pane", "-p", "-e", "-t", "s")

    def keys(self, *keys):
        self.tmux("send-keys", "-t", "s", *keys)

    def type(self, text):
        self.tmux("send-keys", "-l", "-t", "s", text)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-t", "s", "-x", columns, "-y", rows)

    def see(self, *texts, seconds=10, without=()):
        """Waits until all of them are on the screen, and none of the others; the screen."""
        def there():
            seen = self.text()
            return seen if all(text in seen for text in texts) and not any(text in seen for text in without) else None
        try:
            return wait_for(there, seconds, f"{texts!r} on the screen")
        except Exception as error:
            raise AssertionError(f"{error}\n{self.text()}") from None

    def close(self):
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], capture_output=True, timeout=20, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
