"""Mutants of signed requests against the verifier of the proxy, and an oracle that knows RFC 4474 and nothing of vouch.

MUTANTS=10000 in the environment makes so many; the seed is fixed."""

import base64
import binascii
import collections
import email.utils
import os
import random
import re
import time

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from peer import certs, identity
from peer.abroad import ASSERTED, Abroad, both_authorities
from peer.phone import Phone
from peer.sipclient import Agent, Message, Request, addr_spec, parameters, split

COUNT, SEED, WINDOW = int(os.environ.get("MUTANTS", 1000)), 4474, 48
MARKED, UNMARKED = "marked", "unmarked"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHORT = {"From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Identity": "y", "Identity-Info": "n"}
WORDS = re.compile(r"[A-Za-z0-9]")


class Oracle:
    """What a verifier has to say of the octets of a request, by sections 6, 9 and 13 of RFC 4474: a set of what is right.

    `pages` has what each URL leads to, None where that is nothing."""

    def __init__(self, pages, authority, skew=3600):
        self.pages, self.authority, self.skew = pages, authority, skew
        self.known = {url: x509.load_der_x509_certificate(content) for url, content in pages.items() if content}
        self.chains = {url: self.chain(content) for url, content in pages.items() if content}

    def chain(self, content):
        try:
            certs.signed_by(content, self.authority)
        except (AssertionError, InvalidSignature):
            return False
        since, until = (moment.timestamp() for moment in certs.lifetime(x509.load_der_x509_certificate(content)))
        return since <= time.time() <= until

    def right(self, raw):
        message = Message(raw)
        values = message.all("Identity")
        if not values or not values[0].startswith('"'):
            return {UNMARKED}
        first = self.certificate_step(message)
        date = self.date(message)
        if date is None or len(message.values("Contact")) > 1:  # there is no digest-string
            return first | {400}
        malformed = set() if self.signature(message) else {400, 438}  # which can be told before anything is fetched
        if first:
            return first | malformed
        uri, _ = identity.identity_info(message)
        if not self.authoritative(uri, addr_spec(message.one("From"))[0]):
            return {437} | malformed
        return malformed or self.signature_step(message, uri) or self.date_step(uri, date) or {MARKED}

    def certificate_step(self, message):
        """Step 1."""
        infos = message.all("Identity-Info")
        found = len(infos) == 1 and identity.INFO.fullmatch(infos[0])
        alg = found and {n.lower(): v.lower() for n, v in identity.PARAMETER.findall(found[2])}.get("alg")
        if not alg:
            return {436}
        unknown = {437} if alg not in identity.HASHES else set()
        if found[1] not in self.known:
            return {436} | unknown
        return unknown or (set() if self.chains[found[1]] else {437})

    def authoritative(self, uri, sender):
        """Step 2: RFC 2818 3.1, or a URI name sip:domain."""
        host = sender.partition(":")[2].rpartition("@")[2]
        host = re.split("[:;]", host)[0].lower()
        try:
            names = self.known[uri].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            names = []
        dns = [n.value.lower() for n in names if isinstance(n, x509.DNSName)]
        if any(n.value.lower() == f"sip:{host}" for n in names if isinstance(n, x509.UniformResourceIdentifier)):
            return True
        if not dns:
            dns = [n.value.lower() for n in self.known[uri].subject.get_attributes_for_oid(certs.NAME.COMMON_NAME)]
        return host in dns or "*." + host.partition(".")[2] in dns

    @staticmethod
    def signature(message):
        """(the octets in Identity, their base64 as it is written there), or None."""
        value = re.sub(r"\s", "", message.one("Identity")[1:-1])
        try:
            octets = base64.b64decode(value, validate=True)
        except binascii.Error:
            return None
        return (octets, value) if octets else None

    def signature_step(self, message, uri):
        """Step 3."""
        try:
            identity.verify(message, self.known[uri].public_key())
        except InvalidSignature:
            return {438}
        # RFC 3548 2.3, 3.5: a decoder may refuse pad bits that are not zero.
        octets, value = self.signature(message)
        return set() if base64.b64encode(octets).decode() == value else {400, 438, MARKED}

    def date_step(self, uri, date):
        """Step 4."""
        since, until = (moment.timestamp() for moment in certs.lifetime(self.known[uri]))
        wrong = set() if since <= date <= until else {437}
        return wrong | (set() if abs(date - time.time()) <= self.skew else {403})

    @staticmethod
    def date(message):
        """The time of Date; None when there is none or it cannot be read."""
        text = " ".join((message.get("Date") or "").split()).title().replace("Gmt", "GMT")
        try:
            return email.utils.parsedate_to_datetime(text).timestamp() if identity.SIP_DATE.fullmatch(text) else None
        except ValueError:
            return None


class Breeder:
    """Makes signed requests, and mutants of them, from one random number generator."""

    def __init__(self, abroad, target, via, seed):
        self.random, self.seed, self.abroad, self.target, self.via = random.Random(seed), seed, abroad, target, via
        self.keys = {"good": abroad.key, "other": abroad.other_key}
        make = abroad.publish
        self.good = make("sip:example.org", "DNS:example.org", since=-7200)
        self.wild = make("DNS:*.example.org", since=-7200)
        self.urls = [self.good, self.wild, make("DNS:example.org", key=abroad.other_key, since=-7200),
                     make(cn="example.org", since=-7200), make("sip:example.org", since=-60, until=30 * certs.DAY),
                     make("sip:atlanta.example", "DNS:atlanta.example", since=-7200),
                     make("sip:example.org", issuer=False, since=-7200),
                     make("sip:example.org", since=-7200, until=-3600), make("sip:example.org", until=600, since=-7200),
                     abroad.page(b"<html>no</html>", kind="text/html"), abroad.page(b"none", "404 Not Found"),
                     "http://127.0.0.1:9/none.cer", "ftp://127.0.0.1/none.cer"]
        self.mutations = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("change_")]

    def pages(self):
        """For the oracle."""
        pages = {url: self.abroad.served.get(url, b"") for url in self.urls}
        return {url: content if content[:1] == b"\x30" else None for url, content in pages.items()}

    def word(self, length=10):
        return "".join(self.random.choices(LETTERS + "0123456789", k=length))

    def octets(self):
        """A body; half of them have NULs."""
        length = self.random.choice([0, 1, 2, 10, 100, 600])
        return bytes(self.random.choice(b"\0\0\r\n|az~\xff") if self.random.random() < 0.5 else self.random.randrange(256)
                     for _ in range(length))

    def date(self, low, high):
        return email.utils.formatdate(time.time() + self.random.randint(low, high), usegmt=True)

    def base(self):
        """A valid request."""
        pick = self.random.choice
        method = pick(["MESSAGE", "MESSAGE", "OPTIONS", "INFO", "SUBSCRIBE", "FOO"])
        host = pick(["example.org", "example.org", "sub.example.org", "EXAMPLE.org"])
        user = pick([self.word() + "@", self.word() + "@", self.word(3) + ":pw@", "%61" + self.word(2) + "@", ""])
        uri = f"{pick(['sip', 'sip', 'sips'])}:{user}{host}{pick(['', '', ':5060', ';user=phone'])}"
        name = pick(["", "", "Dave ", '"Dave <sip:x@y>, \\" " '])
        brackets = self.random.random() < 0.8 or ";" in uri
        request = Request(method, self.target, [
            ("Via", self.via(self.word())), ("Max-Forwards", "70"),
            ("From", (f"{name}<{uri}>" if brackets else uri) + f";tag={self.word()}"),
            ("To", pick([f"<{self.target}>", f"Bob <sip:{self.word()}@example.com;x={self.word(3)}>",
                         f"sip:{self.word()}@example.com"])),
            ("Call-ID", f"{self.word(20)}@{self.word(5)}"), ("CSeq", f"{self.random.randint(1, 2 ** 31 - 1)} {method}"),
            ("Date", self.date(-3000, 3000)), ("Subject", self.word())], self.octets())
        if method == "SUBSCRIBE":
            request.add("Event", "presence")
        if method in ("OPTIONS", "SUBSCRIBE") and self.random.random() < 0.8:
            request.add("Contact", pick([f"<sip:{self.word()}@127.0.0.1:9;ob>;expires=7", f"sip:{self.word()}@h.example;q=0.5",
                                         f'"x" <sips:{self.word()}@[::1]>']))
        request.url = self.wild if host.startswith("sub") else self.good
        request.alg = pick(["rsa-sha1", "rsa-sha1", "rsa-sha256"])
        return request

    def mutant(self, number):
        """(what was done, the octets); the same for the same number, but for what keys and addresses make of it."""
        self.random.seed(f"{self.seed}/{number}")
        request, done = self.base(), []
        if self.random.random() < 0.15:  # the signer is wrong, not somebody on the way
            done.append(self.signed_otherwise(request))
        identity.sign(request, self.keys["good"], request.url, request.alg)
        for _ in range(self.random.choice([0, 1, 1, 1, 1, 1, 2, 3])):
            mutation = self.random.choice(self.mutations)
            if mutation(request) is not False:
                done.append(mutation.__name__[7:])
        return ", ".join(filter(None, done)) or "nothing", self.encode(request)

    def encode(self, request):
        raw = request.encode()
        for name, short in SHORT.items():
            if self.random.random() < 0.05:
                raw = raw.replace(f"\r\n{name}: ".encode(), f"\r\n{short}:".encode(), 1)
        return raw

    def signed_otherwise(self, request):
        """A fault of the signer's, who signs it."""
        kind = self.random.choice(["stale", "future", "certificate", "key"])
        if kind == "stale":
            request.set("Date", self.date(-7000, -3700))
        elif kind == "future":
            request.set("Date", self.date(3700, 99999))
        elif kind == "certificate":
            request.url = self.random.choice(self.urls)
        else:
            request.url = self.urls[2]
        return "signed with " + kind

    # Mutations. False: this one has nothing to change.

    def replace_octet(self, request, name, within=lambda value: (0, len(value)), by=LETTERS + LETTERS.upper() + "0123456789"):
        """Another letter or digit for one of a field, between the two positions."""
        value = request.get(name)
        if value is None:
            return False
        low, high = within(value)
        places = [found.start() for found in WORDS.finditer(value) if low <= found.start() < high]
        if not places:
            return False
        at = self.random.choice(places)
        new = self.random.choice([c for c in by if c != value[at]])
        request.set(name, value[:at] + new + value[at + 1:])
        return None

    @staticmethod
    def user_part(value):
        """Where the user part of the addr-spec stands; escapes are spared."""
        uri, _ = addr_spec(value)
        start = value.index(uri) + uri.index(":") + 1
        end = uri.rfind("@")
        return (start + (3 if "%" in uri else 0), value.index(uri) + end) if end > 0 else (0, 0)

    @staticmethod
    def host_part(value):
        uri, _ = addr_spec(value)
        start = value.index(uri) + max(uri.rfind("@"), uri.index(":")) + 1
        return start, start + len(re.match(r"[A-Za-z0-9.]*", value[start:])[0]) - 3

    def change_from_user(self, request):
        return self.replace_octet(request, "From", self.user_part)

    def change_from_host(self, request):
        return self.replace_octet(request, "From", self.host_part, LETTERS + LETTERS.upper())  # a label may not be a number

    def change_from_host_case(self, request):
        value = request.get("From")
        low, high = self.host_part(value)
        request.set("From", value[:low] + value[low:high].swapcase() + value[high:])

    def change_from_scheme(self, request):
        value = request.get("From")
        request.set("From", value.replace("sips:", "SIP:", 1) if "<sips:" in value else value.replace("<sip:", "<sips:", 1))

    def change_from_parameter(self, request):
        value = request.get("From")
        if "<" not in value:
            return False
        request.set("From", value.replace(">;tag", ";n=1>;tag"))
        return None

    def change_to(self, request):
        return self.replace_octet(request, "To", self.user_part)

    def change_to_brackets(self, request):
        """The same addr-spec in another form: harmless, but for parameters that become those of the header field."""
        uri, rest = addr_spec(request.get("To"))
        request.set("To", f'"x" <{uri}>{";" + rest if rest else ""};y={self.word(3)}')

    def change_call_id(self, request):
        return self.replace_octet(request, "Call-ID")

    def change_cseq(self, request):
        number, method = request.get("CSeq").split()
        request.set("CSeq", f"{(int(number) + self.random.choice([1, 256, 65536])) % 2 ** 31} {method}")

    def change_cseq_writing(self, request):
        number, method = request.get("CSeq").split()
        request.set("CSeq", "0" * self.random.randint(0, 3) + number + self.random.choice([" ", "   ", "\t", "\r\n "]) + method)

    def change_method(self, request):
        number, method = request.get("CSeq").split()
        request.method = self.random.choice([m for m in ("MESSAGE", "INFO", "OPTIONS", "FOO", "Message") if m != method])
        request.set("CSeq", f"{number} {request.method}")

    def change_date(self, request):
        request.set("Date", self.date(*self.random.choice([(-3000, 3000), (-9000, -3700), (3700, 9000)])))

    def change_date_writing(self, request):
        """Harmless: blanks, and the case of weekday and month."""
        date = request.get("Date")
        if not date or not date.endswith("GMT"):
            return False
        start = date[:-3]
        start = self.random.choice([start.upper(), start.lower(), start.replace(" ", "  "), start.replace(" ", " \r\n\t")])
        request.set("Date", start + "GMT")
        return None

    def change_date_away(self, request):
        request.set("Date", self.random.choice([None, None, "now", "Sat, 28 Nov 2026 25:00:00 GMT", "0"]))

    def change_contact(self, request):
        value = request.get("Contact")
        kind = self.random.choice(["octet", "gone", "new", "more", "outside"])
        if value is None:
            request.set("Contact", f"<sip:{self.word()}@127.0.0.1>")
        elif kind == "octet":
            return self.replace_octet(request, "Contact", self.user_part)
        elif kind == "gone":
            request.set("Contact", None)
        elif kind == "more":
            request.set("Contact", f"{value}, <sip:{self.word()}@h>")
        elif kind == "outside":
            request.set("Contact", f"{value};x={self.word(2)}")
        else:
            request.set("Contact", f"<sip:{self.word()}@127.0.0.1>")
        return None

    def change_body_bit(self, request):
        if not request.body:
            return False
        at = self.random.randrange(len(request.body))
        body = bytearray(request.body)
        body[at] ^= 1 << self.random.randrange(8)
        request.body = bytes(body)
        return None

    def change_body_behind_nul(self, request):
        at = request.body.find(b"\0")
        if at < 0 or at == len(request.body) - 1:
            return False
        request.body = request.body[:at + 1] + bytes(octet ^ 1 for octet in request.body[at + 1:])
        return None

    def change_body_length(self, request):
        kind = self.random.choice(["cut", "longer", "NUL", "gone", "inside"])
        body = request.body
        if kind == "cut" and body:
            request.body = body[:self.random.randrange(len(body))]
        elif kind == "longer":
            request.body = body + self.random.randbytes(self.random.randint(1, 9))
        elif kind == "NUL":
            request.body = body + b"\0"
        elif kind == "inside":
            at = self.random.randint(0, len(body))
            request.body = body[:at] + self.random.choice([b"\0", b"|", b"\r\n", b"x"]) + body[at:]
        else:
            request.body = b""

    def change_certificate(self, request):
        request.set("Identity-Info", f"<{self.random.choice(self.urls)}>;alg={request.alg}")

    def change_alg(self, request):
        value = request.get("Identity-Info")
        if value is None or ";alg=" not in value:
            return False
        alg = self.random.choice(["rsa-sha1", "rsa-sha256", "RSA-SHA1", "Rsa-Sha256", "rsa-md5", "foo", "rsa-sha11", "none"])
        request.set("Identity-Info", re.sub("alg=[^;]*", f"alg={alg}", value))
        return None

    def change_info_writing(self, request):
        value = request.get("Identity-Info")
        if value is None:
            return False
        request.set("Identity-Info", self.random.choice([
            value.replace(";", " ; "), value.replace("alg=", "ALG ="), value + ";x=y", value.replace(">;", '>;a="b;c";'),
            "\r\n " + value]))
        return None

    def change_info_away(self, request):
        value = request.get("Identity-Info") or ""
        request.set("Identity-Info", self.random.choice([None, None, value.partition(";")[0] or None, value.strip("<") or None]))

    def change_identity_octet(self, request):
        value = request.get("Identity")
        return self.replace_octet(request, "Identity") if value else False

    def change_identity_length(self, request):
        value = request.get("Identity")
        if not value or not value.endswith('"'):
            return False
        inside = value[1:-1]
        at = self.random.randrange(0, len(inside) + 1, 4)
        inside = self.random.choice([inside[:at], inside[at:], "AAAA" + inside, inside[:-4] + "AAAA" + inside[-4:]])
        request.set("Identity", f'"{inside}"')
        return None

    def change_identity_writing(self, request):
        """Blanks and folds inside the quotes are harmless."""
        value = request.get("Identity")
        if not value or len(value) < 20 or not value.endswith('"'):
            return False
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randint(1, len(value) - 1)
            if value[at - 1] not in "\r\n" and value[at] != "\n":
                value = value[:at] + self.random.choice([" ", "\r\n ", "\t", "\r\n\t  "]) + value[at:]
        request.set("Identity", value)
        return None

    def change_identity_away(self, request):
        value = request.get("Identity")
        other = value and value.strip('"') + ";info=<https://example.org/c>;alg=ES256"
        request.set("Identity", self.random.choice([None, other]))

    def change_identity_of_another(self, request):
        if not request.get("Identity"):
            return False
        other = identity.sign(self.base(), self.keys["good"], request.url, request.alg)
        request.set("Identity", other.get("Identity"))
        return None

    def change_signer(self, request):
        """Somebody signs what is there now with a key that is not the domain's."""
        message = Message(request.encode())
        if not request.get("Identity") or len(message.values("Contact")) > 1 or not request.get("Date"):
            return False
        info = request.get("Identity-Info")
        identity.sign(request, self.keys["other"], request.url, request.alg)
        request.set("Identity-Info", info)
        return None

    # What is not signed, and must not matter.

    def change_tags(self, request):
        value = request.get("From")
        request.set("From", re.sub("tag=.*", f"tag={self.word()};z={self.word(2)}", value))

    def change_display_name(self, request):
        uri, rest = addr_spec(request.get("From"))
        request.set("From", f'"{self.word()} <sip:{self.word()}@example.net>" <{uri}>;{rest}')

    def change_order(self, request):
        """Via stays first, for its branch is how the test knows the request again."""
        rest = request.headers[1:]
        self.random.shuffle(rest)
        request.headers[1:] = rest

    def change_unsigned_fields(self, request):
        request.set("Subject", self.word()).set("Max-Forwards", self.random.randint(5, 70))
        request.set("Content-Type", f"text/{self.word(3)}").add(f"X-{self.word(3)}", f'{self.word()} "|,<>')
        request.add("Via", f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{self.word()}")


class Field:
    """A server that refuses what is wrong, a phone behind it, and a connection on which mutants come."""

    def __init__(self, server, net, abroad):
        self.net, self.seen, self.answers = net, collections.defaultdict(list), {}
        self.phone = Phone(server.peer(net, "tcp"), server.user("eve")).register()
        self.phone.peer.answer = 200
        self.peer = Agent(server.peer(net, "tcp"), "dave", "example.org").peer
        self.peer.behind_proxy = True
        self.breeder = Breeder(abroad, self.phone.aor, lambda word: f"SIP/2.0/TCP {self.peer.address};branch=z9hG4bK{word}", SEED)
        self.oracle = Oracle(self.breeder.pages(), abroad.domain.authority[0])

    def gather(self):
        """Takes what came out of the inboxes."""
        for message in self.phone.peer.inbox:
            bottom = next(via for via in split(", ".join(message.all("Via"))) if self.peer.address in via)
            self.seen[parameters(bottom.partition(";")[2])["branch"]].append(message)
        self.phone.peer.inbox.clear()
        self.phone.peer.copies.clear()
        for message in self.peer.inbox:
            if message.code >= 200:
                self.answers[message.branch] = message
        self.peer.inbox.clear()

    def send(self, raws):
        """Sends them, so many under way at once, until each is answered. Gives their branches."""
        branches = [re.search(rb"branch=(z9hG4bK\w+)", raw)[1].decode() for raw in raws]
        sent = 0
        while len(self.answers.keys() & branches) < len(raws):
            room = WINDOW - (sent - len(self.answers.keys() & branches[:sent]))
            if room > WINDOW // 2 and sent < len(raws):
                self.peer.send(b"".join(raws[sent:sent + room]))
                sent = min(len(raws), sent + room)
            count = len(self.answers)
            self.net.wait(lambda: self.gather() or len(self.answers) > count, 20, f"an answer behind {count}")
        return branches

    def verdict(self, branch, raw):
        """MARKED, UNMARKED, or a status."""
        answer, came = self.answers[branch], self.seen[branch]
        assert len(came) == (answer.code == 200), f"{answer.start}, {len(came)} came"
        if answer.code != 200:
            return answer.code
        asserted = came[0].all(ASSERTED)
        assert came[0].body == raw.partition(b"\r\n\r\n")[2]
        assert not asserted or [addr_spec(value)[0] for value in asserted] == [addr_spec(came[0].one("From"))[0]]
        return MARKED if asserted else UNMARKED


@pytest.fixture(scope="module")
def field_server(labs, domain, tmp_path_factory):
    made = labs.server(both_authorities(labs, domain, tmp_path_factory.mktemp("mutants")), "identity.verify-inbound=reject")
    yield made.start()
    made.stop()


@pytest.fixture
def field(field_server, net, domain):
    abroad = Abroad(domain)
    yield Field(field_server, net, abroad)
    abroad.close()


@pytest.mark.slow
@pytest.mark.limit(300 + COUNT // 10)
def test_VER_02_to_VER_12_mutants(field):
    """No false accept, no false reject, the right status; and what was accepted is refused the second time."""
    breeder = field.breeder
    for url in breeder.urls:  # so many fetches a second are allowed, and this test is not about them
        while True:
            branch, = field.send([identity.sign(breeder.base(), breeder.keys["good"], url).encode()])
            if field.answers[branch].code != 503:
                break
            field.net.idle(0.1)
    mutants = [breeder.mutant(number) for number in range(COUNT)]
    rights = [field.oracle.right(raw) for _, raw in mutants]
    branches = field.send([raw for _, raw in mutants])
    verdicts = [field.verdict(branch, raw) for branch, (_, raw) in zip(branches, mutants)]
    wrong = [f"{number}, {done}: {verdict}, not {right}\n{raw!r:.1400}" for number, (verdict, right, (done, raw))
             in enumerate(zip(verdicts, rights, mutants)) if verdict not in right]
    tally = collections.Counter(verdicts)
    assert not wrong, f"{len(wrong)} of {COUNT} ({tally}):\n" + "\n".join(wrong[:8])
    if COUNT >= 500:  # the generator makes each kind
        assert all(tally[kind] >= 5 for kind in (MARKED, UNMARKED, 403, 436, 437, 438)), tally

    again = [raw for verdict, (_, raw) in zip(verdicts, mutants) if verdict == MARKED]
    again = [re.sub(rb"tag=\w+", b"tag=again", raw.replace(b"branch=z9hG4bK", b"branch=z9hG4bKagain", 1), count=1)
             for raw in again]
    for branch in field.send(again):
        answer = field.answers[branch]
        assert (answer.code, answer.reason) == (403, "Replayed Request") and not field.seen[branch], answer.start
