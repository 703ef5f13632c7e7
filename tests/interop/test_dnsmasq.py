"""dnsmasq says where other domains are (RFC 3263, RFC 2782): NAPTR, SRV and addresses, and what is down or has no time."""

import itertools
import re

import pytest
from others.program import Program, needs
from peer import lab as program
from peer.lab import free_ports, running
from peer.phone import Dialog, End, Phone
from peer.sipclient import UdpPeer
from peer.stub import Stub

pytestmark = needs("dnsmasq-base", "dnsmasq")

NAMES = itertools.count(1)
SERVICES = {"udp": ("SIP+D2U", "_sip._udp"), "tcp": ("SIP+D2T", "_sip._tcp"), "tls": ("SIPS+D2T", "_sips._tcp")}


@pytest.fixture(scope="module")
def port():
    return free_ports()


@pytest.fixture(scope="module")
def lab(labs, port):
    """A server whose name server is on that port."""
    yield from running(labs, f"server.dns=127.0.0.1:{port}")


@pytest.fixture
def domain():
    """A domain that no other test asks for."""
    return f"d{next(NAMES)}.example"


@pytest.fixture
def dns(port, tmp_path):
    """Starts dnsmasq: dns("srv-host=...", ...). It is asked for everything below `example`, and nobody else is."""
    made = []

    def start(*records):
        made.append(Program(tmp_path, "dnsmasq", "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                            "--listen-address=127.0.0.1", "--bind-interfaces", f"--port={port}", "--local=/example/",
                            "--pid-file=", "--user=", "--log-queries", *(f"--{record}" for record in records)))
        made[-1].says("started, version")
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def target(lab, net):
    """Makes servers that have a port for UDP and TCP, and answer."""
    def make(answer=200):
        made = End(UdpPeer(net, ("127.0.0.1", lab.port)))
        made.peer.answer = answer
        return made

    return make


@pytest.fixture
def alice(lab, net):
    return Phone(lab.peer(net, "tcp"), lab.user()).register()


@pytest.fixture
def closed():
    """A port that refuses, by TCP and UDP."""
    return free_ports()


def srv(domain, transport, port, priority, weight=0, host=None):
    return f"srv-host={SERVICES[transport][1]}.{domain},{host or 'host.' + domain},{port},{priority},{weight}"


def here(domain, address="127.0.0.1", name="host"):
    return f"host-record={name}.{domain},{address}"


def naptr(domain, transport, order):
    service, where = SERVICES[transport]
    return f"naptr-record={domain},{order},10,s,{service},,{where}.{domain}"


def send(alice, domain, code=200):
    """A MESSAGE to somebody in the domain: the answer must be that."""
    request = alice.prove_first(alice.agent.new("MESSAGE", f"sip:bob@{domain}", {}, b"hello"))
    alice.told(request, code, 4)


def arrived(end):
    """How many requests came there."""
    return sum(1 for message in end.peer.copies if message.method == "MESSAGE") + sum(
        1 for stream in end.peer.streams for message in stream.copies if message.method == "MESSAGE")


@pytest.mark.parametrize("first, second", [("udp", "tcp"), ("tcp", "udp")])
def test_3263_4_1_naptr_chooses_the_transport(dns, target, alice, domain, first, second):
    wanted, other = target(), target()
    asked = dns(naptr(domain, second, 20), naptr(domain, first, 10), srv(domain, first, wanted.peer.port, 0),
                srv(domain, second, other.peer.port, 0), here(domain))
    send(alice, domain)
    assert (arrived(wanted), arrived(other)) == (1, 0)
    assert len(wanted.peer.streams) == (first == "tcp") and len(wanted.peer.datagrams) == (first == "udp")
    assert f"query[NAPTR] {domain}" in asked.said() and f"query[SRV] {SERVICES[first][1]}.{domain}" in asked.said()


def test_3263_4_1_naptr_to_tls(dns, lab, alice, domain, target):
    """SIPS+D2T of the lowest order: TLS, and the certificate must be that of the domain, not of the SRV's host (RFC 5922)."""
    other = target()
    files = program.domain_certificate(lab.directory, domain, f"sip:{domain}", f"DNS:{domain}")
    stub = Stub(lambda stub, connection, request: connection.reply(request, 200), *files)
    try:
        dns(naptr(domain, "tls", 10), naptr(domain, "udp", 20), srv(domain, "tls", stub.port, 0), here(domain),
            srv(domain, "udp", other.peer.port, 0))
        send(alice, domain)
        assert stub.methods() == ["MESSAGE"] and stub.requests[0].values("Via")[0].startswith("SIP/2.0/TLS ")
        assert arrived(other) == 0
    finally:
        stub.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_2782_the_lowest_priority_is_asked(dns, target, alice, domain, transport):
    wanted, other, last = target(), target(), target()
    dns(srv(domain, transport, last.peer.port, 30), srv(domain, transport, wanted.peer.port, 10, 1),
        srv(domain, transport, other.peer.port, 20, 65535), here(domain))
    for _ in range(5):
        send(alice, domain)
    assert [arrived(one) for one in (wanted, other, last)] == [5, 0, 0]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_3263_4_3_the_next_when_one_is_down(dns, target, alice, domain, transport, closed):
    """A refused connection and an ICMP error are a failure at once (RFC 3261 18.4)."""
    wanted, other = target(), target()
    dns(srv(domain, transport, closed, 1), srv(domain, transport, wanted.peer.port, 2),
        srv(domain, transport, other.peer.port, 3), here(domain))
    for _ in range(3):
        send(alice, domain)
    assert (arrived(wanted), arrived(other)) == (3, 0)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_3263_4_3_the_next_when_one_answers_503(dns, target, alice, domain, transport):
    """Each is asked once, with another branch, and the 503s stay here (RFC 3261 16.7 6)."""
    busy, busier, wanted, other = target(503), target(503), target(), target()
    dns(*(srv(domain, transport, one.peer.port, 1 + number) for number, one in enumerate((busy, busier, wanted, other))),
        here(domain))
    send(alice, domain)
    assert [arrived(one) for one in (busy, busier, wanted, other)] == [1, 1, 1, 0]
    assert len({one.peer.inbox[0].branch for one in (busy, busier, wanted)}) == 3


def test_3263_4_3_any_other_answer_is_final(dns, target, alice, domain):
    for code in (404, 500, 603):
        first, second = target(code), target()
        name = f"c{code}.{domain}"
        server = dns(srv(name, "udp", first.peer.port, 1), srv(name, "udp", second.peer.port, 2), here(name))
        send(alice, name, code)
        assert (arrived(first), arrived(second)) == (1, 0)
        server.stop()


def test_all_are_down(dns, target, alice, domain, closed):
    """RFC 3261 16.7 6: a 503 is not what the caller gets, for other ways may be open to him."""
    busy = target(503)
    dns(srv(domain, "tcp", closed, 1), srv(domain, "tcp", busy.peer.port, 2), here(domain))
    send(alice, domain, 500)
    assert arrived(busy) == 1


@pytest.mark.parametrize("state", ["down", "503"])
def test_2782_the_other_of_the_same_priority(dns, target, alice, domain, closed, state):
    """However the weights fall, all get through."""
    wanted, busy = target(), target(503)
    dns(srv(domain, "tcp", closed if state == "down" else busy.peer.port, 1, 50), srv(domain, "tcp", wanted.peer.port, 1, 50),
        here(domain))
    for _ in range(24):
        send(alice, domain)
    assert arrived(wanted) == 24 and (arrived(busy) > 0) == (state == "503")


def test_2782_weights(dns, target, alice, domain):
    """Three to one; that the lighter one gets as much as the other has a chance of 1 in 100 000."""
    heavy, light = target(), target()
    dns(srv(domain, "udp", heavy.peer.port, 1, 300), srv(domain, "udp", light.peer.port, 1, 100), here(domain))
    for _ in range(60):
        send(alice, domain)
    assert arrived(heavy) + arrived(light) == 60 and arrived(heavy) > arrived(light) > 0


def test_3263_4_3_the_next_address(dns, target, alice, domain):
    """Hosts with two addresses, at one of which nobody is: the other is tried, whichever comes first."""
    wanted, nobody, names = target(), "127.0.0.99", [f"{letter}.{domain}" for letter in "abcdefgh"]
    asked = dns(*(srv(name, "tcp", wanted.peer.port, 1) for name in names),
                *(here(name, address) for name in names for address in ("127.0.0.1", nobody)))
    for name in names:
        send(alice, name)
    assert arrived(wanted) == len(names)
    first = [re.search(rf"host.{re.escape(name)} is (\S+)", asked.said())[1] for name in names]
    assert nobody in first


def test_3263_4_2_a_port_asks_for_addresses_only(dns, target, alice, domain):
    wanted, other = target(), target()
    asked = dns(naptr(domain, "udp", 1), srv(domain, "udp", other.peer.port, 1), here(domain),
                f"host-record={domain},127.0.0.1")
    send(alice, f"{domain}:{wanted.peer.port}")
    assert (arrived(wanted), arrived(other)) == (1, 0)
    assert f"query[A] {domain}" in asked.said() and "query[SRV]" not in asked.said() and "query[NAPTR]" not in asked.said()


def test_nobody_knows_the_domain(dns, alice, domain):
    asked = dns()
    send(alice, domain, 404)
    assert f"query[A] {domain}" in asked.said()


def test_a_call_by_way_of_the_next(dns, target, alice, domain):
    """The ACK of the 503 goes to the one that gave it, that of the 200 and the BYE to the other."""
    busy, wanted = target(503), target(None)
    dns(srv(domain, "tcp", busy.peer.port, 1), srv(domain, "tcp", wanted.peer.port, 2), here(domain))
    sent, invite = alice.ask(alice.agent.new("INVITE", f"sip:bob@{domain}", {"Contact": alice.contact}), wanted)
    acked = alice.net.wait(lambda: busy.find(sent.copy().set("CSeq", sent.get("CSeq").replace("INVITE", "ACK")),
                                             lambda m: m.method == "ACK"), 5, "the ACK of the 503")
    assert acked.uri == sent.uri
    contact = f"<sip:bob@127.0.0.1:{wanted.peer.port};transport=tcp>"
    wanted.answer(invite, 200, "OK", [("Contact", contact)])
    dialog = Dialog.of_caller(alice, sent, alice.told(sent, 200))
    ack, bye = dialog.new("ACK", number=sent.get("CSeq").split()[0]), dialog.new("BYE")
    alice.send(ack)
    alice.net.wait(lambda: wanted.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
    sent, came = dialog.ask(bye, wanted)
    wanted.answer(came, 200)
    assert alice.told(sent, 200)
    assert not [m for m in busy.peer.inbox if m.method == "BYE"]
