"""Where a verb connects to when its account names no server (RFC 3263; rows UAK-07, TLS-04). Needs root."""

import itertools
import os
import signal
import socket
import struct
import subprocess

import pytest
from peer import lab as program
from peer.dnsstub import NAPTR, SRV, A, NameServer, address, naptr, srv
from peer.stub import PASSWORD, CredentialService

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
def words(domain, tmp_path):
    """`vouch revoke` for bob, whose account names no server."""
    account = tmp_path / "bob.account"
    account.write_text(f"aor = sip:bob@example.com\npassword = {PASSWORD}\nca = {domain.ca}\n")
    account.chmod(0o600)
    return [program.BINARY, "revoke", "-a", account]


@pytest.fixture
def revoke(words, tmp_path):
    return lambda server: server.run(tmp_path, *words)


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


@pytest.mark.parametrize("flags, service", [("s", "SIP+D2U"), ("s", "SIP+D2T"), ("a", "SIPS+D2T"), ("", "SIPS+D2T"),
                                            ("u", "E2U+sip")])
def test_UAK_06_records_that_do_not_lead_to_tls(names, revoke, stubs, domain, flags, service):
    """No way down to UDP or TCP: what is no SRV of SIPS over TCP is passed over."""
    stub = stubs(CredentialService(domain))
    server = names({"example.com": [naptr(1, 1, service, "_sip._tcp.example.com", flags)],
                    "_sip._tcp.example.com": [srv(0, 0, 9, HOST)], "_sips._tcp.example.com": [srv(0, 0, stub.port, HOST)],
                    HOST: [address("127.0.0.1")]})
    done = revoke(server)
    assert done.returncode == 0, done.stderr
    assert ("_sip._tcp.example.com", SRV) not in server.asked


def test_UAK_07_flags_and_services_have_no_case(names, revoke, stubs, domain):
    stub = stubs(CredentialService(domain))
    server = names({"example.com": [naptr(1, 1, "sips+d2t", "_sips._tcp.b.example", "S")],
                    "_sips._tcp.b.example": [srv(0, 0, stub.port, HOST)], HOST: [address("127.0.0.1")]})
    assert revoke(server).returncode == 0


def test_UAK_06_without_records_port_5061(names, revoke):
    """RFC 3263 4.2: the address of the domain, the port of sips, and TLS nevertheless."""
    done = revoke(names({"example.com": [address("127.0.0.3")]}))
    assert done.returncode == 3 and "tls:127.0.0.3:5061" in done.stderr and done.stderr.count("\n") == 1


def test_UAK_07_a_point_is_no_reason_to_try_5061(names, revoke):
    server = names({"_sips._tcp.example.com": [srv(0, 0, 5061, ".")], "example.com": [address("127.0.0.1")]})
    assert revoke(server).returncode == 3
    assert ("example.com", A) not in server.asked


def test_a_long_list_costs_a_bounded_number_of_questions(names, revoke):
    records = {"example.com": [naptr(n, 0, "SIPS+D2T", f"_sips._tcp.t{n}.test") for n in range(12)]}
    records |= {f"_sips._tcp.t{n}.test": [srv(1, 1, 9, f"h{n}x{m}.test") for m in range(12)] for n in range(12)}
    server = names(records)
    done = revoke(server)
    assert done.returncode == 3 and done.stderr.count("\n") == 1
    asked = [kind for _, kind in set(server.asked)]
    assert asked.count(SRV) <= 8 and asked.count(A) <= 65


def test_a_second_signal_ends_a_verb_while_the_dns_is_silent(names, words, tmp_path):
    server = names({})
    server.script = lambda kind, question: None
    child = server.start(tmp_path, *words)
    try:
        program.until(lambda: server.asked, 10, "the question")
        child.send_signal(signal.SIGINT)
        assert "interrupted" in child.stderr.readline()
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == -signal.SIGINT
    finally:
        child.kill()
        child.communicate()


SRV_HEAD = struct.pack(">HHH", 1, 1, 5061)
NAPTR_HEAD = struct.pack(">HH", 1, 1)


@pytest.mark.parametrize("data, count, size", [
    (b"", 0, None), (b"", 1, None), (b"", 65535, None), (bytes(3), 1, None), (bytes(6), 1, None), (bytes(7), 1, None),
    (b"\xff" * 40, 1, None),
    (SRV_HEAD + b"\xc0\xff", 1, None),
    (SRV_HEAD + b"\xc0\xff", 1, 200),
    (SRV_HEAD + b"\xc0\x0c", 1, None),
    (SRV_HEAD + b"\x3f", 1, None),
    (SRV_HEAD + b"\x02a\n\x04test\0", 1, None),
    (SRV_HEAD + b"\x01\x01" + b"\x3c" + b"a" * 60 + b"\0", 1, None),
    (NAPTR_HEAD + b"\1s\x08SIPS+D2T\0\xff", 1, None),
    (NAPTR_HEAD + b"\1s\x08SIPS+D2T\xff", 1, None),
    (NAPTR_HEAD + b"\1s\x08SIPS+D2T\0", 1, None),
    (NAPTR_HEAD + b"\xff" + b"s" * 254, 1, None),
], ids=range(17))
def test_answers_that_are_broken(names, revoke, data, count, size):
    """Nothing worse comes of it than that no server is found."""
    server = names({})
    server.script = lambda kind, question: struct.pack(">HHHHH", 0x8180, 1, count, 0, 0) + question + b"\xc0\x0c" + \
        struct.pack(">HHIH", kind if kind in (SRV, NAPTR) else SRV, 1, 5, len(data) if size is None else size) + data
    done = revoke(server)
    assert done.returncode == 3 and done.stderr.count("\n") == 1, done


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "x.localhost"])
def test_localhost_is_this_machine(names, words, stubs, domain, tmp_path, host):
    """RFC 6761 6.3: nobody is asked, and /etc/hosts may lack it; a name server that knows better is wrong."""
    stub = stubs(CredentialService(domain))
    account = tmp_path / "bob.account"
    account.write_text(account.read_text() + f"server = tls:{host}:{stub.port}\n")
    server = names({"localhost": [address("127.0.0.3")], "x.localhost": [address("127.0.0.3")]})
    done = server.run(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert not [name for name, _ in server.asked if "localhost" in name]
