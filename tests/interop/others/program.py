"""Programs of others: started in a folder of their own, bounded in time, ended by their process id."""

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
    """One that runs until it is stopped; what it says goes to a file. It has a process group of its own."""

    def __init__(self, directory, name, program, *arguments, stdin=subprocess.DEVNULL, **options):
        self.name, self.log = name, directory / f"{name}.log"
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


def serves(port, kind=socket.SOCK_STREAM):
    """Does somebody have that port of the loopback address?"""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            return probe.connect_ex(("127.0.0.1", port)) == 0
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False
