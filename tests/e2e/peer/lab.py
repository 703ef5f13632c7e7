"""Runs the program under test: servers with a directory of their own, and single commands."""

import itertools
import os
import pathlib
import random
import re
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time

from peer import certs
from peer.sipclient import Agent, StreamPeer, UdpPeer, tls_connect, tls_context

ROOT = pathlib.Path(__file__).resolve().parents[3]
DATA = ROOT / "tests/e2e/data"
BINARY = os.path.abspath(os.environ.get("VOUCH", ROOT / "vouch"))
START_TIMEOUT = 30


def vouch(*arguments, stdin="", timeout=30, **options):
    """Run one command to its end."""
    return subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          timeout=timeout, **options)


def bindable(port, kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count=3):
    """The first of `count` consecutive free ports, below the range from which clients get theirs."""
    while True:
        first = random.randrange(20000, 32000, 4)
        if all(bindable(port, kind) for port in range(first, first + count)
               for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            return first


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def until(ready, timeout, what):
    """Poll for something that no socket announces."""
    end = time.monotonic() + timeout
    while not (found := ready()):
        assert time.monotonic() < end, f"{what} did not come within {timeout} s"
        time.sleep(0.02)
    return found


def never(wrong, seconds, what):
    """Poll for something that must not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert not wrong(), what
        time.sleep(0.05)


def read_pairs(path):
    """The `key = value` lines of a file."""
    pairs = (line.split("=", 1) for line in pathlib.Path(path).read_text().splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


class Process:
    """A running vouch whose two output streams are kept; `ended` is the time at which it closed them."""

    def __init__(self, *arguments, stdin=subprocess.DEVNULL, **options):
        self.child = subprocess.Popen([BINARY, *map(str, arguments)], stdin=stdin, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, **options)
        self.out, self.err, self.ended = [], [], None
        self.readers = [threading.Thread(target=self.drain, args=pair, daemon=True)
                        for pair in ((self.child.stdout, self.out), (self.child.stderr, self.err))]
        for reader in self.readers:
            reader.start()

    def drain(self, stream, lines):
        for line in stream:
            lines.append(line.decode("utf-8", "replace"))
        self.ended = time.monotonic()

    @property
    def log(self):
        return "".join(self.err)

    def wait(self, timeout=10):
        """The exit code, with both streams read to their end."""
        code = self.child.wait(timeout)
        for reader in self.readers:
            reader.join(5)
        return code

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        return self.wait()


class User:
    def __init__(self, name, password, domain="example.com"):
        self.name, self.password = name, password
        self.aor, self.sips = f"sip:{name}@{domain}", f"sips:{name}@{domain}"


class Server:
    """`vouch lab` on a directory: ports N (UDP, TCP), N+1 (TLS) and N+2 (HTTPS) of 127.0.0.1."""

    domain = "example.com"

    def __init__(self, directory, options=(), port=None, restore_signals=True, nofile=None, environment=None):
        self.directory, self.options, self.nofile = pathlib.Path(directory), list(options), nofile
        self.environment = {**os.environ, **environment} if environment else None
        self.port, self.restore_signals = port or free_ports(), restore_signals
        self.conf, self.ca = self.directory / "vouch.conf", self.directory / "ca.crt"
        self.process = None

    def start(self):
        # A lab writes what was done for users, too; most tests look for what went wrong.
        arguments = [word for option in ("log.level=warn", *self.options) for word in ("-o", option)]
        self.process = Process("lab", "--dir", self.directory, "--port", self.port, "--domain", self.domain, *arguments,
                               restore_signals=self.restore_signals, preexec_fn=self.nofile and self.limit_files,
                               env=self.environment)
        ready = (f"ready sip=127.0.0.1:{self.port} tls=127.0.0.1:{self.port + 1} "
                 f"https=127.0.0.1:{self.port + 2} domain={self.domain}\n")

        def answered():
            if self.process.child.poll() is not None:
                self.process.wait()
                raise AssertionError(f"vouch lab ended before it was ready:\n{self.process.log}")
            return ready in self.process.out

        try:
            until(answered, START_TIMEOUT, "the line " + ready)
        except AssertionError:
            self.process.kill()
            self.process = None
            raise
        return self

    def limit_files(self):
        """In the child: open files, soft and hard."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.nofile, self.nofile))

    def stop(self):
        """SIGTERM; a server ends with 0. One that ended by itself is an error."""
        process, self.process = self.process, None
        if process:
            ended = process.child.poll()
            process.signal(signal.SIGTERM)
            try:
                code = process.wait()
            finally:
                process.kill()
            assert ended is None and code == 0, f"exit {code}:\n{process.log[-3000:]}"

    def crash(self):
        """kill -9."""
        process, self.process = self.process, None
        process.signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL

    def forbid_writing(self, forbidden=True):
        """Every write to a file fails from now on (or works again)."""
        limit = 0 if forbidden else resource.RLIM_INFINITY
        resource.prlimit(self.process.child.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    # Commands for this server.

    def admin(self, *arguments, **options):
        return vouch(*arguments, "-c", self.conf, **options)

    def user(self, name=None, password=None):
        """A user with a random name, added while the server runs."""
        user = User(name or f"u{secrets.token_hex(4)}", password or secrets.token_hex(8), self.domain)
        added = vouch("user", "add", "-c", self.conf, user.aor, stdin=user.password + "\n")
        assert added.returncode == 0, added.stderr
        return user

    def lab_user(self, name):
        """alice, bob or carol with the password of the lab."""
        return User(name, read_pairs(self.directory / f"{name}.account")["password"], self.domain)

    # Clients of this server.

    def peer(self, net, transport="tls", source="127.0.0.1", **tls):
        if transport == "udp":
            return UdpPeer(net, ("127.0.0.1", self.port), host=source)
        if transport == "tcp":
            return StreamPeer(net, socket.create_connection(("127.0.0.1", self.port), 10, (source, 0)), "TCP")
        return StreamPeer(net, tls_connect(self.port + 1, tls_context(self.ca, **tls), source=source), "TLS")

    def agent(self, net, user=None, transport="tls"):
        """A user agent on a connection of its own; without a user it has no password."""
        peer = self.peer(net, transport)
        return Agent(peer, user.name, password=user.password) if user else Agent(peer)

    def listening(self):
        """The ports of this server that accept connections."""
        return [port for port in range(self.port, self.port + 3) if accepts(port)]


class OrgServer(Server):
    """The same for another domain."""

    domain = "example.org"


def accepts(port):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def no_sockets(folder, names):
    """What shutil.copytree leaves out: sockets cannot be copied."""
    return [name for name in names if pathlib.Path(folder, name).is_socket()]


class Labs:
    """Makes servers: the lab directory is generated once and copied for each."""

    def __init__(self, base):
        self.base, self.numbers = pathlib.Path(base), itertools.count(1)
        self.template = Server(self.base / "template")
        self.template.start()
        self.template.stop()

    def directory(self):
        """A fresh copy of the lab."""
        return shutil.copytree(self.template.directory, self.base / f"lab{next(self.numbers)}", ignore=no_sockets)

    def server(self, *options, directory=None, **more):
        """A server that is not started yet."""
        return Server(directory or self.directory(), options, **more)


def running(labs, *options):
    """The life of one server: for fixtures."""
    started = labs.server(*options).start()
    yield started
    started.stop()


def domain_certificate(directory, name, *names, key=None, **options):
    """Writes NAME.crt and NAME.key, a certificate of the lab's CA, and gives the two paths."""
    key, directory = key or certs.rsa_key(50), pathlib.Path(directory)
    ca = certs.load_pem_pair((directory / "ca.crt").read_bytes(), (directory / "ca" / "ca.key").read_bytes())
    paths = directory / f"{name}.crt", directory / f"{name}.key"
    paths[0].write_bytes(certs.pem(certs.certificate(*names, key=key, issuer=ca, cn=name, **options)))
    paths[1].write_bytes(certs.key_pem(key))
    paths[1].chmod(0o600)
    return paths


def fingerprints(text):
    """All SHA-256 fingerprints in a text, whatever their case and colons."""
    return re.findall(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", text.lower().replace(":", ""))
