"""The reader of others: libre, with which baresip takes messages apart. What a message says must not hang on who reads it (G5)."""

import ctypes
import re

LIBRARY = "libre.so.0"


class Text(ctypes.Structure):
    _fields_ = [("p", ctypes.c_void_p), ("n", ctypes.c_size_t)]

    def __bytes__(self):
        return ctypes.string_at(self.p, self.n) if self.p else b""


def texts(*names):
    return [(name, Text) for name in names]


class Uri(ctypes.Structure):
    _fields_ = texts("scheme", "user", "password", "host") + [("af", ctypes.c_int), ("port", ctypes.c_uint16)] + texts(
        "path", "params", "headers")


class Via(ctypes.Structure):
    _fields_ = texts("sentby") + [("addr", ctypes.c_uint32 * 8)] + texts("params", "branch", "val") + [("tp", ctypes.c_int)]


class TaggedAddress(ctypes.Structure):
    _fields_ = texts("dname", "auri") + [("uri", Uri)] + texts("params", "tag", "val")


class CSeq(ctypes.Structure):
    _fields_ = texts("met") + [("num", ctypes.c_uint32)]


class Field(ctypes.Structure):
    _fields_ = [("le", ctypes.c_void_p * 4), ("he", ctypes.c_void_p * 4)] + texts("name", "val") + [("id", ctypes.c_int)]


class Read(ctypes.Structure):
    """The front of struct sip_msg of libre 1.1, as far as it is looked at."""
    _fields_ = [("src", ctypes.c_uint32 * 8), ("dst", ctypes.c_uint32 * 8)] + texts("ver", "met", "ruri") + [
        ("uri", Uri), ("scode", ctypes.c_uint16), ("reason", Text), ("hdrl", ctypes.c_void_p * 2), ("via", Via),
        ("to", TaggedAddress), ("from_", TaggedAddress), ("cseq", CSeq)] + texts(
            "type", "subtype", "params", "callid", "maxfwd", "expires", "clen")


class Buffer(ctypes.Structure):
    _fields_ = [("buf", ctypes.c_void_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t), ("end", ctypes.c_size_t)]




def library():
    try:
        found = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    found.mbuf_alloc.restype = ctypes.POINTER(Buffer)
    found.mem_deref.argtypes = [ctypes.c_void_p]
    found.mbuf_alloc.argtypes = [ctypes.c_size_t]
    found.mbuf_write_mem.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    return found


RE = library()
COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "c": "content-type", "l": "content-length",
           "y": "identity", "n": "identity-info", "o": "event"}
# Whoever reads these in another way takes part in another conversation.
DECIDING = ("via", "from", "to", "call-id", "cseq", "route", "record-route", "contact", "content-length", "content-type",
            "authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "identity", "identity-info",
            "date", "event", "sip-etag", "sip-if-match", "p-asserted-identity", "path", "expires", "max-forwards")


def plain(octets):
    """Without folds and blanks: what a fold is worth is one blank, and blanks around separators are nothing."""
    return re.sub(r"\s+", "", octets.decode("latin-1"))


def read(raw):
    """What libre finds in a message, {what: value}, or None when it takes it for none."""
    buffer, message = RE.mbuf_alloc(len(raw)), ctypes.POINTER(Read)()
    try:
        RE.mbuf_write_mem(buffer, raw, len(raw))
        buffer.contents.pos = 0
        if RE.sip_msg_decode(ctypes.byref(message), buffer):
            return None
        return found(message.contents, len(raw) - buffer.contents.pos)
    finally:
        RE.mem_deref(message)
        RE.mem_deref(buffer)


def found(message, rest):
    out = {name: [] for name in DECIDING}
    at = message.hdrl[0]
    while at:
        field = ctypes.cast(at, ctypes.POINTER(Field)).contents
        name = bytes(field.name).decode("latin-1").strip().lower()
        out.setdefault(COMPACT.get(name, name), []).append(plain(bytes(field.val)))
        at = field.le[1]
    out = {name: ",".join(out[name]) for name in DECIDING}
    out |= {"method": bytes(message.met).decode("latin-1"), "uri": bytes(message.ruri).decode("latin-1"),
            "code": message.scode, "branch": bytes(message.via.branch).decode("latin-1"),
            "from tag": bytes(message.from_.tag).decode("latin-1"), "to tag": bytes(message.to.tag).decode("latin-1"),
            "number": message.cseq.num, "of": bytes(message.cseq.met).decode("latin-1"),
            "length": int(bytes(message.clen) or b"0"), "body": rest}
    return out


def agree(message):
    """Does libre find in it what the tests found, a reader of lines? Over a stream the body ends where both say so."""
    if RE is None:
        return
    theirs = read(message.raw)
    if theirs is None:  # a 400 copies what it refuses, and libre knows the addresses of phones only
        assert message.code == 400 or any(re.search(r"(?i)(^|<)(?!sips?:|tel:)[a-z]+:", message.one(name))
                                          for name in ("From", "To")), f"libre takes it for no message: {message.raw!r}"
        return
    ours = {name: ",".join(plain(value.encode("latin-1")) for value in message.all(name)) for name in DECIDING}
    number, method = message.cseq
    ours |= {"method": message.method or "", "uri": message.uri if message.method else "", "code": message.code or 0,
             "branch": message.branch or "", "from tag": tag_of(message.one("From")), "to tag": tag_of(message.one("To")),
             "number": number, "of": method, "length": len(message.body), "body": len(message.body)}
    differ = {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}
    assert not differ, f"{differ} in {message.raw!r}"


def tag_of(value):
    """A tag is behind the address, which may have quotes and brackets."""
    behind = re.sub(r'"(?:[^"\\]|\\.)*"|<[^>]*>', "", value, flags=re.S)
    found = re.search(r";\s*tag\s*=\s*([^;\s]+)", behind, re.I)
    return found[1] if found else ""
