"""A person at a terminal: bash, a keyboard that answers questions, and a network of loopback alone."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

PASSWORD = "correct horse battery"
DEV_WORDS = "test test test test test test test test test test test junk"
ANSWERS = ((re.compile(r"(password.*|the same again): ?$", re.IGNORECASE), PASSWORD),
           (re.compile(r"^Words.*: ?$"), DEV_WORDS), (re.compile(r"\[y/N\] ?$"), "y"))
ERASE = re.compile(r"\x1b\[[0-2]?K")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
STOP_S = 20


# Sets loopback up (an ifreq with IFF_UP, by SIOCSIFFLAGS), and goes on until the standard input ends.
HOLDER = """import fcntl, socket, struct, sys
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH22x", b"lo", 1))
print("ready", flush=True)
sys.stdin.read()"""


class Network:
    """A network of its own, in which every port is free."""

    def __init__(self):
        self._holder = subprocess.Popen(["unshare", "-rn", sys.executable, "-c", HOLDER], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.made = self._holder.stdout.readline() == "ready\n"

    def enter(self):
        """What goes before a command that is to run in it."""
        return ["nsenter", "--target", str(self._holder.pid), "--user", "--net", "--preserve-credentials"]

    def end(self):
        """Ends the process that holds it."""
        self._holder.communicate()


class Terminal:
    """A command in bash on a terminal of its own."""

    def __init__(self, line, network, folder, environment):
        self.line, self.name = line, line
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 250, 0, 0))
        command = ["setsid", "--ctty", *network.enter(), "bash", "-c", line]
        self.child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment)
        os.close(slave)
        self._raw = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        answered = 0
        while True:
            try:
                piece = os.read(self._master, 65536)
            except OSError:  # the last process has closed the terminal
                return
            if not piece:
                return
            self._raw += piece.decode(errors="replace")
            for question, answer in ANSWERS:
                if question.search(self._raw[answered:].rsplit("\n", 1)[-1]):
                    answered = len(self._raw)
                    os.write(self._master, f"{answer}\n".encode())

    @property
    def text(self):
        """What the terminal shows: of a line that was written over or erased, what is left of it."""
        lines = []
        for line in self._raw.replace("\r\n", "\n").split("\n"):
            shown = ""
            for piece in line.split("\r"):
                *erased, rest = ERASE.split(piece)
                rest = ESCAPE.sub("", rest)
                shown = rest if erased else rest + shown[len(rest):]
            lines.append(shown)
        return "\n".join(lines)

    def output(self):
        """The same, for a message to a human."""
        return f"$ {self.line}\n{self.text}"

    def wait(self, seconds):
        """Its exit code, once it ends by itself."""
        try:
            code = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs after {seconds} s:\n{self.output()}") from None
        self._reader.join(1)
        return code

    def wait_for(self, what, shows, seconds):
        """Waits until `shows` is true of its text; `what` says for a human what that is."""
        deadline = time.monotonic() + seconds
        while not shows(self.text):
            if ended := self.child.poll() is not None:
                self._reader.join(1)
            why = "it ended" if ended else f"{seconds} s went by" if time.monotonic() > deadline else None
            assert shows(self.text) or not why, f"{why} before it showed {what}:\n{self.output()}"
            time.sleep(0.05)

    def press_ctrl_c(self):
        """Interrupts it; its exit code, 130 if the signal ended it."""
        if self.child.poll() is None:
            os.write(self._master, b"\x03")
        code = self.wait(STOP_S)
        return 130 if code == -signal.SIGINT else code

    def end(self):
        """Ends it, whatever it does."""
        if self.child.poll() is None:
            self.child.kill()
        self.wait(STOP_S)
        os.close(self._master)
