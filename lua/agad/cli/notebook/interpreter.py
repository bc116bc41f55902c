"""The interpreter of a notebook: a process of agad (worker.lua) in a process group of its own.

It is asked over one pipe and answers over another one, in messages as channel.lua describes them; what it prints to
stdout and stderr is the output of the cell. It may die at any time.
"""
import fcntl
import json
import os
import selectors
import signal
import struct
import subprocess
import termios
import threading
import time

START = "require('agad.cli.notebook.worker')(...)"
TURN = 0.05                                              # seconds, at most, between two looks at it
GATHER = 0.002                                           # seconds in which more text may come


def available(fd):
    """The bytes that can be read at once."""
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0]


def heed_interrupts():
    """A server that a script has started in the background ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Interpreter:
    def __init__(self, program):
        theirs, ours = [], []
        for reads in (True, False, True):                # requests, answers, and a pipe that ends when we do
            ends = os.pipe()
            theirs.append(ends[0 if reads else 1])
            ours.append(ends[1 if reads else 0])
        self.requests, self.answers, self.life = ours
        try:
            self.process = subprocess.Popen(
                [program, "-e", START, *map(str, theirs)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, pass_fds=theirs, start_new_session=True, preexec_fn=heed_interrupts)
        except OSError:
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self.streams = {"stdout": self.process.stdout.fileno(), "stderr": self.process.stderr.fileno()}
        self.selector = selectors.DefaultSelector()
        for fd in (self.answers, *self.streams.values()):
            self.selector.register(fd, selectors.EVENT_READ)
        self.received = b""
        self.writing = threading.Lock()                  # shutting down is another thread's
        self.busy = self.takes_signals = False

    def ask(self, request, show):
        """The answer to a request, or None if the interpreter dies; show gets what comes before it.

        Whether it was interrupted before the interpreter took it on is asked show."""
        self.busy = True
        self.send(request)
        try:
            while True:
                dead = self.process.poll() is not None
                ready = {key.fd for key, _ in self.selector.select(0 if dead else TURN)}
                if self.answers in ready:                # what was printed before comes first: see `take`
                    self.received += self.read(self.answers)
                elif ready:
                    time.sleep(GATHER)
                    for name, fd in self.streams.items():
                        if fd in ready:
                            show.text(name, self.read(fd))
                if dead and (n := available(self.answers)):
                    self.received += os.read(self.answers, n)
                for message in self.messages():
                    if self.take(message, show):
                        return message
                if dead:
                    return self.drain(show)
                show.flush_late()
        finally:
            self.busy = self.takes_signals = False

    def take(self, message, show):
        """Deals with a message; whether it is the answer."""
        kind = message["kind"]
        if kind == "begun":
            self.takes_signals = True
            if show.interrupted():
                self.interrupt()
        elif kind != "ready":
            self.drain(show)
            if kind == "done":
                return True
            show.message(message)
            self.send({})
        return False

    def messages(self):
        """The messages that have been received; the bytes that follow one are its "data"."""
        while True:
            line, found, rest = self.received.partition(b"\n")
            message = json.loads(line) if found else {}
            size = message.get("bytes", 0)
            if not found or len(rest) < size:
                return
            self.received = rest[size:]
            yield {**message, "data": rest[:size]}

    def read(self, fd):
        data = os.read(fd, 65536)
        if not data:
            self.selector.unregister(fd)
        return data

    def drain(self, show):
        """Shows what has been printed by now."""
        for name, fd in self.streams.items():
            if (n := available(fd)) > 0:
                show.text(name, os.read(fd, n))

    def send(self, message):
        data = json.dumps(message).encode() + b"\n"
        with self.writing:
            try:
                while data:
                    data = data[os.write(self.requests, data):]
            except (OSError, TypeError):                 # it has died or is being ended, which `ask` sees
                pass

    def interrupt(self):
        """Sends SIGINT, as Ctrl-C at a terminal does, if a request has been taken on."""
        if self.takes_signals:
            self.signal(signal.SIGINT)

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def end(self):
        """Ends it, and what it has started; an idle one by the end of its requests."""
        with self.writing:
            if not self.busy and self.requests is not None:
                os.close(self.requests)
                self.requests = None
        for number, patience in ((0, 1.0), (signal.SIGTERM, 1.5), (signal.SIGKILL, 5.0)):
            if number:
                self.signal(number)
            elif self.busy:
                continue
            try:
                self.process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                pass
        self.signal(signal.SIGKILL)

    def close(self):
        """Ends one that is not busy, and closes its pipes."""
        self.end()
        self.selector.close()
        self.process.stdout.close()
        self.process.stderr.close()
        for fd in (self.answers, self.life):
            os.close(fd)

    def fate(self):
        """How it ended, in words."""
        status = self.process.returncode
        if status >= 0:
            return "ended with status %d" % status
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = "no name"
        return "was killed by signal %d (%s)" % (-status, name)
