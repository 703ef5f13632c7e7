"""Phones of the tests' own: registered users of a vouch that call, answer, and see what was done to their octets."""

import re

from peer import digest
from peer.sipclient import Agent, Request, UdpPeer, addr_spec, tag, token

HOP = (b"via", b"v", b"route", b"record-route", b"max-forwards", b"max-breadth", b"proxy-authorization")


def lines(octets, without=HOP):
    """The header fields as they came, folds and blanks included, but for those that belong to a hop."""
    head = octets.partition(b"\r\n\r\n")[0]
    fields = re.split(rb"\r\n(?![ \t])", head)[1:]
    return [one for one in fields if one.partition(b":")[0].strip().lower() not in without]


def failure(message):
    return message.code is not None and message.code >= 300


class End:
    """A peer to which requests come."""

    def __init__(self, peer):
        self.peer, self.net = peer, peer.net
        self.peer.behind_proxy, self.peer.answer = True, None
        self.tag = token("t")

    def find(self, request, test):
        """A message in the inbox about that request, taken out."""
        number, method = request.get("CSeq").split()
        for message in self.peer.inbox:
            if message.one("Call-ID") == request.get("Call-ID") and message.cseq == (int(number), method) and test(message):
                self.peer.inbox.remove(message)
                return message
        return None

    def answer(self, request, code, reason="OK", headers=(), body=b"", length="Content-Length: %d"):
        """Sends an answer to a request that came; gives its octets. Copies of the request get it, too. length None: without."""
        out = [f"SIP/2.0 {code} {reason}"]
        for name, value in request.headers:
            if name in ("via", "record-route", "from", "call-id", "cseq"):
                out.append(f"{name}: {value}")
            elif name == "to":
                out.append(f"To: {value}" if tag(value) or code == 100 else f"To: {value};tag={self.tag}")
        out += [f"{name}: {value}" for name, value in headers] + ([length % len(body)] if length else [])
        octets = "\r\n".join(out).encode("latin-1") + b"\r\n\r\n" + body
        request.peer.answered[(request.branch, request.cseq)] = octets
        request.peer.send(octets, request.source)
        return octets


class Phone(End):
    """One registered phone on a peer (UDP, TCP or TLS) of a server; a secure one has sips URIs only."""

    def __init__(self, peer, user, domain="example.com", secure=False):
        super().__init__(peer)
        self.user, self.agent = user, Agent(peer, user.name, domain, user.password)
        self.scheme, self.domain = "sips" if secure else "sip", domain
        self.aor = f"{self.scheme}:{user.name}@{domain}"
        transport = "" if secure or peer.transport == "UDP" else f";transport={peer.transport.lower()}"
        self.uri = f"{self.scheme}:{user.name}@{peer.address}{transport}"
        self.contact = f"<{self.uri}>"

    def register(self):
        made = self.agent.new("REGISTER", f"{self.scheme}:{self.domain}", {"To": f"<{self.aor}>"})
        made.add("Contact", self.contact)
        answer = self.agent.run(made)[1]
        assert answer.code == 200, answer.start
        return self

    def send(self, request):
        self.peer.send(request.encode())

    def ask(self, request, other, timeout=5):
        """Sends the request and answers a 407 to it. Gives (request as it was last sent, as it reached the other)."""
        for _ in range(2):
            self.send(request)
            came = self.net.wait(lambda: other.find(request, lambda m: m.method) or self.find(request, failure),
                                 timeout, f"{request.method} to {request.uri}")
            if not came.code:
                return request, came
            assert came.code == 407, f"{came.start} to {request.method}"
            if request.method == "INVITE":
                self.send(self.ack_of_failure(request, came))
            request = self.prove(request, came)
        raise AssertionError(f"the answer to the 407 to {request.method} was not taken")

    def prove(self, request, refused):
        """The request with an answer to the 407."""
        again = self.agent.authorize(request, self.agent.pick(refused))
        return again.set("Proxy-Authorization", again.get("Authorization")).set("Authorization", None)

    def prove_first(self, request):
        """Sends the request, which must be challenged, and the same with an answer to that."""
        self.send(request)
        refused = self.told(request, 407)
        if request.method == "INVITE":
            self.send(self.ack_of_failure(request, refused))
        again = self.prove(request, refused)
        self.send(again)
        return again

    @staticmethod
    def ack_of_failure(request, answer):
        """RFC 3261 17.1.1.3."""
        ack = Request("ACK", request.uri, [("Via", request.get("Via")), ("Max-Forwards", "70"), ("From", request.get("From")),
                                           ("To", answer.one("To")), ("Call-ID", request.get("Call-ID")),
                                           ("CSeq", f"{request.get('CSeq').split()[0]} ACK")])
        return ack if request.get("Route") is None else ack.add("Route", request.get("Route"))

    def told(self, request, code, timeout=5):
        """The answer to a request that was sent."""
        return self.net.wait(lambda: self.find(request, lambda m: m.code == code), timeout, f"{code} to {request.method}")


class Dialog:
    """One end of a dialog; what it sends goes along the route set to the remote target."""

    def __init__(self, phone, local, remote, call_id, routes, target, number):
        self.phone, self.local, self.remote, self.call_id = phone, local, remote, call_id
        self.routes, self.target, self.number = routes, target, number

    @classmethod
    def of_caller(cls, phone, request, answer):
        return cls(phone, request.get("From"), answer.one("To"), request.get("Call-ID"),
                   list(reversed(answer.values("Record-Route"))), addr_spec(answer.one("Contact"))[0],
                   int(request.get("CSeq").split()[0]))

    @classmethod
    def of_callee(cls, phone, request):
        """The dialog of a request that this phone answers."""
        to = request.one("To")
        return cls(phone, to if tag(to) else f"{to};tag={phone.tag}", request.one("From"), request.one("Call-ID"),
                   request.values("Record-Route"), addr_spec(request.one("Contact"))[0], 7000)

    def new(self, method, headers=(), body=b"", number=None):
        if number is None:
            self.number += 1
            number = self.number
        request = Request(method, self.target, [
            ("Via", self.phone.peer.via()), ("Max-Forwards", "70"), ("From", self.local), ("To", self.remote),
            ("Call-ID", self.call_id), ("CSeq", f"{number} {method}")], body)
        if self.routes:
            request.add("Route", ", ".join(self.routes))
        for name, value in headers:
            request.add(name, value)
        return request

    def ask(self, request, other):
        """As that of the phone; the CSeq goes on from what was sent last."""
        sent, came = self.phone.ask(request, other)
        self.number = int(sent.get("CSeq").split()[0])
        return sent, came


def registered(server, net, user, algorithm="SHA-256"):
    """The Contacts that the registrar has of the user, without parameters of the header field."""
    agent = server.agent(net, user, "tcp")
    agent.algorithm, agent.peer.behind_proxy = algorithm, True  # a Contact is as its phone made it
    answer = agent.run(agent.new("REGISTER", f"sip:{agent.domain}", {"To": f"<{user.aor}>"}))[1]
    agent.peer.close()
    assert answer.code == 200, answer.start
    return [f"<{addr_spec(value)[0]}>" for value in answer.values("Contact")]


def about(message, call_id):
    """Is it that request, or an answer to it? Some tests make its Call-ID longer."""
    return message.one("Call-ID").startswith(call_id)


class Sender(Phone):
    """A phone that writes its requests octet by octet, with credentials for a challenge it got once."""

    def __init__(self, peer, user):
        super().__init__(peer, user)
        self.register()
        self.number, self.nonce = 0, None

    def credentials(self, method, uri, body=b""):
        if not self.nonce:
            refused = self.agent.exchange(self.agent.new("MESSAGE", self.aor))
            assert refused.code == 407, refused.start
            self.nonce = self.agent.pick(refused)
        self.number += 1
        return digest.answer(self.nonce, self.agent.user, self.agent.password, method, uri, body, nc=self.number)

    def octets(self, method, uri, replace=(), body=b"", credentials=True, length=True):
        """A request; `replace` maps the names of fields to lines that stand for them, None for no line."""
        name = self.agent.user
        fields = {"From": f"From: <{self.agent.aor}>;tag=1", "To": "To: <sip:bob@example.org>",
                  "Call-ID": "Call-ID: CALLID", "CSeq": f"CSeq: 1 {method}", "Contact": None, **dict(replace)}
        if length:
            fields.setdefault("Content-Length", f"Content-Length: {len(body)}")
        call_id = f"{token()}@test.invalid"
        out = [f"{method} {uri} SIP/2.0", f"Via: {self.peer.via()}", "Max-Forwards: 70"]
        out += [line.replace("CALLID", call_id).replace("USER", name) for line in fields.values() if line is not None]
        if credentials:
            out.append(f"Proxy-Authorization: {self.credentials(method, uri, body)}")
        return call_id, "\r\n".join(out).encode("latin-1") + b"\r\n\r\n" + body

    def to(self, other, *arguments, uri=None, **more):
        """Sends such a request. Gives its octets and what came to the other end."""
        call_id, raw = self.octets(arguments[0], uri or other.uri, *arguments[1:], **more)
        self.peer.send(raw)
        return raw, came_to(other, call_id, self)

    def refused(self, other, code, *arguments, phrase=None, uri=None, **more):
        call_id, raw = self.octets(arguments[0], uri or other.uri, *arguments[1:], **more)
        self.peer.send(raw)
        answer = self.peer.take(lambda m: m.code and m.code >= 200 and about(m, call_id), 5, f"the {code}")
        assert answer.code == code and (phrase is None or answer.reason == phrase), answer.start
        assert not [m for m in other.peer.inbox if about(m, call_id)]
        assert not answer.all("Identity") and not answer.all("Identity-Info")


def came_to(other, call_id, sender=None):
    """The request, and not its refusal."""
    def ready():
        refused = sender and next((m for m in sender.peer.inbox if m.code and m.code >= 300 and about(m, call_id)), None)
        assert not refused, refused.start
        return next((m for m in other.peer.inbox if m.method and about(m, call_id)), None)

    found = other.net.wait(ready, 5, "the request")
    other.peer.inbox.remove(found)
    return found


class Far(End):
    """Somebody outside of the domain, at an address: UDP, and TCP on the same port."""

    def __init__(self, server, net, transport="tcp"):
        super().__init__(UdpPeer(net, ("127.0.0.1", server.port)))
        self.peer.answer = 200
        self.uri = f"sip:bob@{self.peer.address}" + (f";transport={transport}" if transport != "udp" else "")
        self.contact = f"<{self.uri}>"
