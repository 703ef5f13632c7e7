"""The messages of RFC 4475 and RFC 5118 at the program itself: over UDP, TCP in one piece, TCP octet by octet, and TLS.

What is expected is the proxy's column of the RFC's outcome. A message that is well-formed is let through to what comes
next, which for these strangers is a refusal: 403 (no relay), 404 (no such user) or 407 (prove who you are), or for REGISTER
401. What cannot be answered is dropped, and a stream on which messages cannot be told apart ends, which may take the answer
with it when the sender has not finished."""

import itertools
import pathlib
import re
import socket
import ssl

import pytest
from peer.lab import ROOT

VECTORS = pathlib.Path(ROOT, "tests/vectors")
THROUGH = {401, 403, 404, 407}
DROPPED, CLOSED = 0, -1
RFC4475 = {
    "wsinv": THROUGH, "intmeth": THROUGH, "esc01": THROUGH, "escnull": {401}, "esc02": THROUGH, "lwsdisp": THROUGH,
    "longreq": THROUGH, "dblreq": {401}, "semiuri": THROUGH, "transports": THROUGH, "mpart01": THROUGH,
    "unreason": {DROPPED}, "noreason": {DROPPED}, "badinv01": {400, DROPPED, CLOSED}, "clerr": {400, DROPPED},
    "ncl": {400, CLOSED}, "scalar02": {400}, "scalarlg": {DROPPED}, "quotbal": {400}, "ltgtruri": {400}, "lwsruri": {400},
    "lwsstart": {400}, "trws": {400}, "escruri": {400}, "baddate": THROUGH, "regbadct": {401}, "badaspec": {400},
    "baddn": {400, DROPPED}, "badvers": {505}, "mismatch01": {400}, "mismatch02": {400, 501},
    "bigcode": {DROPPED, CLOSED}, "badbranch": {400} | THROUGH, "insuf": {400, DROPPED, CLOSED}, "unkscm": {416},
    "novelsc": {416}, "unksm2": {401}, "bext01": {420}, "invut": THROUGH, "regaut01": {401}, "multi01": {400},
    "mcl01": {400, CLOSED}, "bcast": {DROPPED}, "zeromf": {483}, "cparam01": {401}, "cparam02": {401}, "regescrt": {401},
    "sdp01": THROUGH, "inv2543": THROUGH | {400},
}
RFC5118 = {
    "ipv6-good": THROUGH, "ipv6-bad": {400}, "port-ambiguous": THROUGH, "port-unambiguous": THROUGH,
    "via-received-param-with-delim": THROUGH, "via-received-param-no-delim": THROUGH, "ipv6-in-sdp": THROUGH | {400, DROPPED},
    "mult-ip-in-header": THROUGH, "mult-ip-in-sdp": THROUGH, "ipv4-mapped-ipv6": THROUGH,
    "ipv6-bug-abnf-3-colons": THROUGH, "ipv6-correct-abnf-2-colons": THROUGH,
}
CASES = [("rfc4475", *case) for case in RFC4475.items()] + [("rfc5118", *case) for case in RFC5118.items()]


@pytest.fixture(scope="module")
def servers(labs):
    """One for each way: the same message twice is a retransmission, answered by where the first one came."""
    started = {way: labs.server().start() for way in ("udp", "tcp", "octets", "tls")}
    yield started
    for server in started.values():
        server.stop()


def outcome(data):
    return int(re.match(rb"SIP/2\.0 (\d{3}) ", data)[1])


hosts = itertools.count(1)


def over_udp(server, data):
    """The answer goes to the port of sent-by unless there is rport: so it is listened for on both."""
    host = f"127.1.1.{next(hosts)}"  # some messages of the RFC have one branch, and one host uses a branch once
    named = re.search(rb"^(?:via|v)[ \t]*:\s*SIP\s*/\s*2\.0\s*/\s*\S+\s+(?:\[[^\]]*\]|[^\s;,:]+)[ \t]*"
                      rb"(?::[ \t]*(\d+))?", data, re.I | re.M)
    ports = [0, int(named[1]) if named and named[1] else 5060]
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in ports]
    try:
        for sock, port in zip(socks, ports):
            sock.bind((host, port))
            sock.settimeout(0.15)
        socks[0].sendto(data, ("127.0.0.1", server.port))
        for sock in reversed(socks):
            try:
                return outcome(sock.recv(65536))
            except TimeoutError:
                continue
        return DROPPED
    finally:
        for sock in socks:
            sock.close()


def over_stream(server, data, piece, tls):
    sock = socket.create_connection(("127.0.0.1", server.port + tls), 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    with sock:
        sock.settimeout(0.3)
        try:
            for at in range(0, len(data), piece):
                sock.sendall(data[at:at + piece])
        except OSError:
            pass  # closed before all was said; the answer may be there all the same
        try:
            came = sock.recv(65536)
        except TimeoutError:
            return DROPPED
        except OSError:
            return CLOSED
        return outcome(came) if came else CLOSED


WAYS = {"udp": over_udp, "tcp": lambda server, data: over_stream(server, data, len(data), False),
        "octets": lambda server, data: over_stream(server, data, 1, False),
        "tls": lambda server, data: over_stream(server, data, len(data), True)}


@pytest.mark.parametrize("folder, name, expected", CASES, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("way", WAYS)
def test_G1_torture(servers, way, folder, name, expected):
    data = (VECTORS / folder / f"{name}.dat").read_bytes()
    got = WAYS[way](servers[way], data)
    assert got in expected or (got == DROPPED and 400 in expected and way == "udp"), got
    # And the server is as it was.
    probe = (f"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP a.example;branch=z9hG4bK{name}\r\nFrom: <sip:a@b.example>"
             f";tag=1\r\nTo: <sip:example.com>\r\nCall-ID: {way}{name}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
    assert over_stream(servers[way], probe.encode(), 9999, False) == 200


def test_G1_the_lists_are_whole():
    assert len(RFC4475) == 49 and len(RFC5118) == 12
    for folder, names in (("rfc4475", RFC4475), ("rfc5118", RFC5118)):
        files = {path.stem for path in (VECTORS / folder).glob("*.dat")}
        assert files - {"undocumented-test"} == set(names)
