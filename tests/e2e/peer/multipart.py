"""A strict reader and a free writer of multipart bodies (RFC 2046 section 5.1)."""

import re
from dataclasses import dataclass

BOUNDARY = re.compile(r"""[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]""")


@dataclass
class Part:
    type: str
    body: bytes
    headers: dict


def boundary_of(content_type):
    """The boundary parameter of a multipart/mixed Content-Type."""
    kind, _, parameters = content_type.partition(";")
    assert kind.strip().lower() == "multipart/mixed", content_type
    found = re.search(r'(?:^|;)\s*boundary\s*=\s*(?:"([^"]*)"|([^\s;"]+))', parameters, re.I)
    assert found, f"no boundary in {content_type}"
    boundary = found[1] or found[2]
    assert BOUNDARY.fullmatch(boundary), f"boundary outside RFC 2046: {boundary!r}"
    return boundary


def parse(content_type, body):
    """The parts, in order. Anything RFC 2046 does not oblige a writer to send is refused: preamble, padding, LF."""
    mark = b"--" + boundary_of(content_type).encode()
    assert body.startswith(mark + b"\r\n"), f"starts with {body[:80]!r}"
    end = body.rfind(b"\r\n" + mark + b"--")
    assert end > 0 and body[end + len(mark) + 4:] in (b"", b"\r\n"), f"ends with {body[-80:]!r}"
    parts = []
    for text in body[len(mark) + 2:end].split(b"\r\n" + mark + b"\r\n"):
        assert b"\r\n" + mark not in text, "a delimiter inside a part"
        parts.append(read_part(text))
    return parts


def read_part(text):
    head, blank, body = text.partition(b"\r\n\r\n")
    assert blank, f"a part without an empty line: {text[:80]!r}"
    headers = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.decode("ascii").partition(":")
        assert colon and name.lower() not in headers, f"part header {line!r}"
        headers[name.lower()] = value.strip()
    return Part(headers.get("content-type", "text/plain").lower(), body, headers)


def build(*parts, boundary="boundary", close=True):
    """A body of (type, octets) or (type, octets, [header lines]) parts."""
    out = b""
    for kind, octets, *lines in parts:
        head = "\r\n".join([f"--{boundary}", f"Content-Type: {kind}"] + (lines[0] if lines else []))
        out += head.encode() + b"\r\n\r\n" + octets + b"\r\n"
    return out + f"--{boundary}{'--' if close else ''}".encode()


def credential(certificate, key):
    """(Content-Type, body) of a certificate with its PKCS#8 object, as the draft's example but well formed."""
    binary = ["Content-Transfer-Encoding: binary"]
    body = build(("application/pkix-cert", certificate, binary), ("application/pkcs8", key, binary))
    return "multipart/mixed;boundary=boundary", body
