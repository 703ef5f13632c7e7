"""Programs of others: started in a folder of their own, bounded in time, ended by their process id."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest
from peer.lab import until

PLACES = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin"


def find(program):
    return shutil.which(program, path=PLACES)


def needs(package, *programs):
    """A test module's mark: skipped where one of the programs is not installed."""
    missing = [program for program in programs if not find(program)]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed ({package})")


def run(program, *arguments, net=None, timeout=15):
    """To its end; the sockets of `net` are served meanwhile. Its output has its errors among it."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen([find(program), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT)
        try:
            end = time.monotonic() + timeout
            while net and child.poll() is None and time.monotonic() < end:
                net.pump(0.01)
            child.wait(max(0, end - time.monotonic()))
        finally:
            child.kill()
            child.wait(5)
        out.seek(0)
        return subprocess.CompletedProcess(child.args, child.returncode, out.read().decode("utf-8", "replace"))


class Program:
    """One that runs until it is stopped; what it says goes to a file. It has a process group of its own.
    SIP messages are in the file `trace`, or among what it says. `at` is its host (peer.hosts), or None for this one."""

    trace, sip_at = None, 0

    def __init__(self, directory, name, program, *arguments, stdin=subprocess.DEVNULL, at=None, **options):
        self.name, self.log = name, directory / f"{name}.log"
        if at:
            options["preexec_fn"] = at.enter
        with open(self.log, "wb") as out:
            self.child = subprocess.Popen([find(program), *map(str, arguments)], stdin=stdin, stdout=out,
                                          stderr=subprocess.STDOUT, cwd=directory, start_new_session=True, **options)

    def said(self):
        return self.log.read_text(errors="replace")  # CR LF is as LF

    def says(self, text, timeout=10, times=1):
        """Waits until it has said that."""
        def there():
            assert self.running() or self.said().count(text) >= times, f"{self.name} ended:\n{self.said()[-3000:]}"
            return self.said().count(text) >= times

        try:
            until(there, timeout, f"{text!r} of {self.name}")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.said()[-4000:]}") from None

    def passed(self, *texts, timeout=8):
        """Waits until one after the other stands in its SIP messages. Gives what they were since the last time."""
        def there():
            sip, at = self.traced(), self.sip_at
            for text in texts:
                at = sip.find(text, at)
                if at < 0:
                    return None
                at += len(text)
            found, self.sip_at = sip[self.sip_at:at], at
            return found

        try:
            return until(there, timeout, f"{texts} of {self.name}")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.traced()[self.sip_at:]}") from None

    def skips(self):
        """What has come until now is not asked about."""
        self.sip_at = len(self.traced())

    def traced(self):
        return (self.trace or self.log).read_text(errors="replace")

    def running(self):
        return self.child.poll() is None

    def stop(self, timeout=5):
        """SIGTERM; what is left of its group then is killed."""
        if self.running():
            self.child.terminate()
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait(5)


class Console(Program):
    """One that takes commands on its standard input. What it says is heard in the order in which it says it."""

    def __init__(self, *arguments, **options):
        self.at = 0
        super().__init__(*arguments, stdin=subprocess.PIPE, **options)

    def command(self, text):
        self.child.stdin.write(f"{text}\n".encode())
        self.child.stdin.flush()

    def heard(self, text):
        """Has it said that since what was heard last?"""
        at = self.said().find(text, self.at)
        if at >= 0:
            self.at = at + len(text)
        return at >= 0

    def hears(self, *texts, timeout=8):
        """Waits for one after the other."""
        for text in texts:
            try:
                until(lambda: self.heard(text), timeout, f"{text!r} of {self.name}")
            except AssertionError as late:
                raise AssertionError(f"{late}\n{self.said()[-2000:]}") from None

    def stop(self, timeout=1):
        super().stop(timeout)
        self.child.stdin.close()


def address(at):
    """That of programs on the host `at`, or, without one, on this machine."""
    return at.addresses[0] if at else "127.0.0.1"


def here(at):
    """Sockets that are made meanwhile are on that host."""
    return at.here() if at else contextlib.nullcontext()


def serves(port, kind=socket.SOCK_STREAM, at=None):
    """Does somebody have that port of the address?"""
    with here(at), socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            return probe.connect_ex((address(at), port)) == 0
        try:
            probe.bind((address(at), port))
        except OSError:
            return True
        return False
