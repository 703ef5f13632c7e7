"""The reader of others itself: what the tests would not see without it. peer.reader asks it about every message that comes."""

import pytest
from peer import reader
from peer.sipclient import Message

pytestmark = pytest.mark.skipif(reader.RE is None, reason="libre 1.1 is not installed (libre0)")

LINES = ["MESSAGE sip:bob@example.com SIP/2.0", "Via: SIP/2.0/TCP h;branch=z9hG4bK1", "From: <sip:a@example.com>;tag=1",
         "To: <sip:bob@example.com>", "Call-ID: 1", "CSeq: 1 MESSAGE", "Content-Length: 4"]


def message(number, line):
    lines = LINES[:number] + [line] + LINES[number + 1:]
    return Message("\r\n".join(lines).encode() + b"\r\n\r\nevil")


@pytest.mark.parametrize("number, line", [
    (1, "Via: SIP/2.0/TCP h;branch=z9hG4bK1;x=\"a,b\""),
    (1, "v: SIP/2.0/TCP h ; branch=z9hG4bK1,\r\n SIP/2.0/UDP i"), (2, 'f: "a;tag=2" <sip:a@example.com;tag=3>;tag=1'),
    (5, "CSeq:\r\n 001\r\n\tMESSAGE"), (6, "l: 4"), (6, "Content-Length: 4\r\nSubject: a\r\n Content-Length: 9")])
def test_two_readers_agree(number, line):
    reader.agree(message(number, line))


@pytest.mark.parametrize("number, line", [
    (0, "MESSAGE sip:bob@example.com SIP/2.0\r\nSubject: a\n"), (4, "Call-ID: 1\n"), (4, "Call-ID: 1\nCall-ID: 2"),
    (3, "To: <sip:b@example.com>;tag=1\n;tag=2"), (6, "Content-Length: 3"), (6, "Content-Length: 4\r\nl: 9"), (6, "Subject: a")])
def test_two_readers_differ(number, line):
    """Or one of them takes it for no message."""
    with pytest.raises(AssertionError):
        reader.agree(message(number, line))
