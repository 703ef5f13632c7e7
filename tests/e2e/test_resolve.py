"""Where a verb connects to when its account names no server (RFC 3263; rows UAK-07, TLS-04). Needs root."""

import itertools
import os
import socket
import subprocess

import lab as program
import pytest
from dnsstub import NameServer, address, naptr, srv
from stub import PASSWORD, CredentialService

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0,
    reason="a name server on port 53 and mounts need root")

HOST = "sip1.provider.example"
NUMBERS = itertools.count()


@pytest.fixture
def names():
    """Makes the name server of a test."""
    made = []

    def make(records):
        # An address of its own for each: a closed socket may linger, and one of them is often the system's own resolver.
        made.append(NameServer(f"127.53.{os.getpid() % 250}.{next(NUMBERS) % 250 + 1}", records))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def revoke(domain, tmp_path):
    """Runs `vouch revoke` for bob, whose account names no server."""
    account = tmp_path / "bob.account"
    account.write_text(f"aor = sip:bob@example.com\npassword = {PASSWORD}\nca = {domain.ca}\n")
    account.chmod(0o600)
    return lambda server: server.run(tmp_path, program.BINARY, "revoke", "-a", account)


@pytest.fixture
def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


def test_UAK_07_srv_of_the_domain(names, revoke, stubs, domain):
    stub = stubs(CredentialService(domain))
    server = names({"_sips._tcp.example.com": [srv(0, 0, stub.port, HOST)], HOST: [address("127.0.0.1")]})
    done = revoke(server)
    assert done.returncode == 0, done.stderr
    assert stub.methods() == ["PUBLISH", "PUBLISH"]


def test_UAK_07_naptr_names_the_srv(names, revoke, stubs, domain):
    stub = stubs(CredentialService(domain))
    server = names({
        "example.com": [naptr(50, 50, "SIP+D2U", "_sip._udp.example.com"), naptr(90, 50, "SIPS+D2T", "_sips._tcp.b.example"),
                        naptr(20, 50, "E2U+sip", "_x.example.com", flags="u")],
        "_sips._tcp.b.example": [srv(0, 0, stub.port, HOST)],
        "_sips._tcp.example.com": [srv(0, 0, 1, HOST)],
        HOST: [address("127.0.0.1")]})
    done = revoke(server)
    assert done.returncode == 0, done.stderr


def test_UAK_07_next_target_when_one_is_down(names, revoke, stubs, domain, closed_port):
    stub = stubs(CredentialService(domain))
    server = names({"_sips._tcp.example.com": [srv(20, 0, stub.port, "b.provider.example"), srv(10, 5, closed_port, HOST),
                                               srv(10, 0, closed_port, "gone.provider.example")],
                    HOST: [address("127.0.0.1")], "b.provider.example": [address("127.0.0.1")]})
    done = revoke(server)
    assert done.returncode == 0, done.stderr


def test_TLS_04_the_name_is_that_of_the_domain(names, revoke, stubs, domain):
    """A certificate of the SRV target proves nothing: who controls the DNS would choose it."""
    stub = stubs(CredentialService(domain), domain.files("target", f"DNS:{HOST}"))
    server = names({"_sips._tcp.example.com": [srv(0, 0, stub.port, HOST)], HOST: [address("127.0.0.1")]})
    done = revoke(server)
    assert done.returncode == 3 and "certificate" in done.stderr and HOST in done.stderr
    assert stub.connections >= 1 and stub.octets == 0


@pytest.mark.parametrize("records, said", [
    ({}, "example.com"),
    ({"_sips._tcp.example.com": [srv(0, 0, 5061, ".")]}, "no such service"),
    ({"_sips._tcp.example.com": [srv(0, 0, 5061, HOST)]}, HOST),
], ids=["nothing", "no service", "no address"])
def test_UAK_07_no_server_is_found(names, revoke, records, said):
    server = names(records)
    done = revoke(server)
    assert done.returncode == 3 and said in done.stderr and done.stderr.count("\n") == 1
    assert ("_sips._tcp.example.com", 33) in server.asked


def test_malformed_answers_are_survived(names, revoke):
    cut = [(33, data) for data in (b"", b"\0" * 6, b"\0\0\0\0\0\0\x3f", b"\0\0\0\0\x13\xc5\xc0\xff")]
    server = names({"example.com": [(35, data) for data in (b"", b"\0" * 5, b"\0\0\0\0\xff", b"\0\0\0\0\1s\x08SIPS+D2T\0")],
                    "_sips._tcp.example.com": cut})
    done = revoke(server)
    assert done.returncode == 3 and done.stderr.count("\n") == 1
