"""Hand-made ClientHellos: to offer what no TLS library of today will send."""

import os
import socket
import struct

RSA_AES128_SHA, RSA_AES128_SHA256 = 0x002F, 0x003C
RSA_NULL_MD5, RSA_NULL_SHA, RSA_NULL_SHA256 = 0x0001, 0x0002, 0x003B
ANON_AES128, ANON_3DES, ECDH_ANON_AES128 = 0x0034, 0x001B, 0xC018
EXPORT_RC4, RC4_MD5, RC4_SHA, DES, EXPORT_DES = 0x0003, 0x0004, 0x0005, 0x0009, 0x0008
ECDHE_RSA_AES128_SHA, RSA_AES256_SHA = 0xC013, 0x0035
SSL3, TLS10, TLS11, TLS12 = 0x0300, 0x0301, 0x0302, 0x0303
SSL2_HELLO = bytes.fromhex("802e0100020015000000100100800200800300800400800600400700c0") + bytes(19)


def client_hello(version, suites, extensions=b""):
    """A ClientHello record."""
    codes = b"".join(struct.pack(">H", suite) for suite in suites)
    body = struct.pack(">H", version) + os.urandom(32) + b"\0" + struct.pack(">H", len(codes)) + codes + b"\1\0"
    if extensions:
        body += struct.pack(">H", len(extensions)) + extensions
    handshake = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16" + struct.pack(">HH", min(version, TLS10), len(handshake)) + handshake


def failed_rsa_handshake(port, source):
    """A handshake with static RSA whose encrypted secret is noise, up to its end; False when there was no ServerHello."""
    answered = False
    with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0)) as sock:
        try:
            sock.sendall(client_hello(TLS12, [RSA_AES128_SHA]))
            answered = sock.recv(1) == b"\x16"
            if answered:
                sock.sendall(b"\x16\x03\x03\x01\x06" + b"\x10\0\x01\x02" + b"\x01\0" + b"\0" + os.urandom(255)
                             + b"\x14\x03\x03\0\1\1" + b"\x16\x03\x03\0\x40" + os.urandom(64))
            while answered and sock.recv(4096):
                pass
        except ConnectionError:
            pass
    return answered


def probe(port, hello, source="127.0.0.1"):
    """(version, suite) of the ServerHello that answers, or None when the server refuses."""
    with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0)) as sock:
        sock.sendall(hello)
        answer = b""
        try:
            while len(answer) < 200 and (data := sock.recv(4096)):
                answer += data
                if answer[0] != 0x16:
                    break
        except ConnectionError:
            pass
    if answer[:1] != b"\x16" or answer[5:6] != b"\x02":
        return None
    version, = struct.unpack(">H", answer[9:11])
    after = 43 + 1 + answer[43]
    return version, struct.unpack(">H", answer[after:after + 2])[0]
