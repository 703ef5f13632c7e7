"""Keep-alives of UDP flows: STUN on the SIP socket (RFC 5626 4.4.2, RFC 5389)."""

import os
import socket
import struct

import pytest
from peer.lab import has_ipv6, until

COOKIE = 0x2112A442


@pytest.fixture(scope="module")
def site(labs):
    """With a port on all addresses of IPv4, where the answer has to come from where the request went; and IPv6."""
    made = labs.server()
    made.options = [f"server.listen-udp=127.0.0.1:{made.port}, 0.0.0.0:{made.port + 1}"
                    + (f", [::1]:{made.port}" if has_ipv6() else "")]
    made.start()
    yield made
    made.stop()


def exchange(host, port, packet):
    """The answer, or None; a SIP request behind it shows that nothing came before."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect((host, port))
        at = sock.getsockname()
        own = f"[{at[0]}]:{at[1]}" if ":" in host else f"{at[0]}:{at[1]}"
        sock.send(packet)
        sock.send((f"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{os.urandom(6).hex()}\r\n"
                   f"From: <sip:a@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: {os.urandom(6).hex()}\r\n"
                   "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n").encode())
        first = sock.recv(65535)
        if first.startswith(b"SIP/2.0 200"):
            return at, None
        assert sock.recv(65535).startswith(b"SIP/2.0 200")
        return at, first


def request(attributes=b"", kind=1):
    transaction = os.urandom(12)
    return transaction, struct.pack(">HHI", kind, len(attributes), COOKIE) + transaction + attributes


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_binding(site, host):
    if ":" in host and not has_ipv6():
        pytest.skip("no IPv6 on the loopback interface")
    transaction, packet = request()
    at, answer = exchange(host, site.port + (host == "127.0.0.2"), packet)
    assert struct.unpack(">HHI", answer[:8]) == (0x0101, len(answer) - 20, COOKIE) and answer[8:20] == transaction
    kind, length, family, port = struct.unpack(">HHHH", answer[20:28])
    mask = struct.pack(">I", COOKIE) + transaction
    address = bytes(a ^ b for a, b in zip(answer[28:], mask, strict=False))
    assert (kind, length, family) == (0x0020, len(answer) - 24, 2 if ":" in host else 1)
    assert port ^ (COOKIE >> 16) == at[1]
    assert socket.inet_ntop(socket.AF_INET6 if ":" in host else socket.AF_INET, address) == at[0]


@pytest.mark.parametrize("kind, attributes, code", [
    (1, struct.pack(">HH", 2, 0), 0x0111), (0x0101, b"", None), (0x0011, b"", None), (3, b"", None), (1, b"\x80", None),
    (1, struct.pack(">HHI", 0x8028, 4, 0), None),
], ids=["unknown attribute", "response", "indication", "allocate", "odd length", "wrong fingerprint"])
def test_other_messages(site, kind, attributes, code):
    answer = exchange("127.0.0.1", site.port, request(attributes, kind)[1])[1]
    assert (answer and struct.unpack(">H", answer[:2])[0]) == code
    assert answer is None or len(answer) <= 2 * (20 + len(attributes))


def test_no_stun_is_logged_as_a_bad_message(site):
    exchange("127.0.0.1", site.port, request()[1])
    exchange("127.0.0.1", site.port, b"\0\1\0\0 not the cookie")
    until(lambda: "event=bad_message" in site.process.log, 10, "the line about what is no STUN")
    assert site.process.log.count("event=bad_message") == 1
