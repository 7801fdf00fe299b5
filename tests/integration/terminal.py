"""A program on a terminal of a given size: keys in, the screen as a person would see it out."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time


class Terminal:
    def __init__(self, argv, rows, columns):
        self.rows, self.columns = rows, columns
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.environ.update(TERM="xterm-256color", LANG="C.UTF-8")
            os.environ.pop("NO_COLOR", None)
            os.execv(argv[0], argv)
        self.output = ""
        self.code = None

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def read(self, seconds):
        """Takes in what comes within so many seconds; False at the program's end."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            try:
                got = os.read(self.fd, 65536)
            except OSError:  # the other side is closed
                return False
            if not got:
                return False
            self.output += got.decode(errors="replace")
        return True

    def wait_for(self, text, timeout_s=20):
        """Until the last whole picture holds the text."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            alive = self.read(0.1)
            if text in (seen := "\n".join(self.screen())):
                return seen
            if not alive:
                break
        raise AssertionError(f"not within {timeout_s} s on the terminal: {text!r}\n" + "\n".join(self.screen()))

    def screen(self):
        """The lines of the last whole picture, without colours."""
        pictures = self.output.split("\x1b[H")
        whole = [p for p in pictures[1:] if "\x1b[J" in p] or [self.output]
        plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", whole[-1]).replace("\r", "")
        return plain.split("\n")

    def stop(self):
        if self.code is not None:
            return self.code
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                self.read(10)  # what it wrote between the last look and its end
                break
        else:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.code = -signal.SIGKILL
        os.close(self.fd)
        return self.code
