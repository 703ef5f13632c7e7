"""What the server says of its own address: in Via, Record-Route and Contact (RFC 3261 18.1.1, 16.6 4, 8). It listens on all
addresses, as `vouch init` makes it, on a host with two wires; a phone is on one, another phone or a stranger on the other."""

import re
import socket

import pytest
from peer import hosts
from peer.lab import free_ports, vouch
from peer.phone import Dialog, Phone
from peer.sipclient import UdpPeer, addr_spec

V4, V6 = socket.AF_INET, socket.AF_INET6
BODY = b"v=0\r\n"
TRANSPORTS = ("udp", "tcp", "tls")


@pytest.fixture(scope="module")
def wires():
    made = hosts.Wires("server", "lan", "far")
    yield made
    made.close()


@pytest.fixture(scope="module")
def made(wires, tmp_path_factory):
    """A function: the server with these options; each is started once."""
    servers = {}

    def start(*options):
        if options not in servers:
            for one in servers.values():
                one.stop()
            servers.clear()
            servers[options] = hosts.Made(tmp_path_factory.mktemp("init") / "s", wires.hosts[0], options).start()
        return servers[options]

    yield start
    for one in servers.values():
        one.stop()


def set_up(one, other):
    """An answered call, by what the server has told each end. Gives the dialogs of both, and all messages that came."""
    sent, came = one.ask(one.agent.new("INVITE", other.aor, {"Contact": one.contact}, BODY), other)
    other.answer(came, 200, "OK", [("Contact", other.contact)], BODY)
    answer = one.told(sent, 200)
    ours, theirs = Dialog.of_caller(one, sent, answer), Dialog.of_callee(other, came)
    ack = ours.new("ACK", number=sent.get("CSeq").split()[0])
    one.send(ack)
    acked = one.net.wait(lambda: other.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
    return ours, theirs, [came, answer, acked]


def ended(dialog, other):
    sent, came = dialog.ask(dialog.new("BYE"), other)
    other.answer(came, 200)
    return [came, dialog.phone.told(sent, 200)]


def named(message):
    """The hosts with ports that the server has written of itself: topmost Via of a request, Record-Route."""
    own = [value.split()[1].partition(";")[0] for value in message.values("Via")[:1] if message.method]
    return own + [addr_spec(route)[0].rpartition("@")[2].partition(";")[0] for route in message.values("Record-Route")]


def call_both_ways(server, net, ends):
    """Between phones on both wires: (host, transport, family) each. Gives what the server has written of itself."""
    phones = []
    for host, transport, family in ends:
        phones.append(Phone(server.at(net, host, transport, family), server.user()).register())
    said = []
    for one, other in (phones, reversed(phones)):
        ours, theirs, messages = set_up(one, other)
        info, came = theirs.ask(theirs.new("INFO", body=BODY), one)
        one.answer(came, 200)
        other.told(info, 200)
        said += messages + [came] + ended(ours, other)
    return [name for message in said for name in named(message)]


LISTENS = {"v4": (), "v6": tuple(f"server.listen-{kind}=[::]:{port}" for kind, port in (("udp", 5060), ("tcp", 5060), ("tls", 5061))),
           "both": tuple(f"server.listen-{kind}=0.0.0.0:{port}, [::]:{port}"
                         for kind, port in (("udp", 5060), ("tcp", 5060), ("tls", 5061)))}


@hosts.needed
@pytest.mark.parametrize("listens, families", [("v4", (V4, V4)), ("v6", (V6, V6)), ("both", (V4, V6)), ("both", (V6, V4))])
@pytest.mark.parametrize("here", TRANSPORTS)
@pytest.mark.parametrize("there", TRANSPORTS)
def test_a_server_of_init_carries_a_call(wires, made, net, listens, families, here, there):
    """Each side is told the address that leads to the server from there, and none that leads nowhere."""
    lan, far = wires.hosts[1:]
    said = call_both_ways(made(*LISTENS[listens]), net, ((lan, here, families[0]), (far, there, families[1])))
    fits = {V4: r"10\.9\.%d\.1:506[01]$", V6: r"\[fd09:%d::1\]:506[01]$"}
    allowed = [fits[family] % number for number, family in enumerate(families, 1)]
    assert said and not [name for name in said if not any(re.match(form, name) for form in allowed)], said


@hosts.needed
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_address_of_this_machine_is_the_domain(wires, made, net, transport):
    """Not only that by which the request has come: a request to a user there, of a user and of a stranger; a Route; REGISTER."""
    server, (lan, far) = made(*LISTENS["both"]), wires.hosts[1:]
    one, other = (Phone(server.at(net, host, transport), server.user()).register() for host in (lan, far))
    stranger = Phone(server.at(net, far, "tcp"), one.user, "example.org")
    port = ":5061;transport=tls" if transport == "tls" else ""
    for host in ("10.9.1.1", "10.9.2.1", "[fd09:1::1]", "[fd09:2::1]", "127.0.0.1", "[::1]"):
        for sender, receiver in ((one, other), (other, one), (stranger, one), (stranger, other)):
            user = receiver.user.name
            sent, came = sender.ask(sender.agent.new("MESSAGE", f"sip:{user}@{host}{port}"), receiver)
            receiver.answer(came, 200)
            sender.told(sent, 200)
        routed, came = one.ask(one.agent.new("MESSAGE", other.aor, {"Route": f"<sip:{host}{port};lr>"}), other)
        assert not came.all("Route")
        other.answer(came, 200)
        one.told(routed, 200)
        again = one.agent.new("REGISTER", f"sip:{host}{port}", {"To": f"<{one.aor}>", "Contact": one.contact})
        assert one.agent.run(again)[1].code == 200
    foreign = one.prove_first(one.agent.new("MESSAGE", "sip:bob@10.9.1.1:5099"))
    assert one.told(foreign, 403)


@hosts.needed
@pytest.mark.parametrize("transport, options, name", [
    ("udp", ["server.listen-udp=0.0.0.0:5060 advertise sip.example.com:15060"], "sip.example.com:15060"),
    ("udp", ["server.listen-udp=10.9.1.1:5060 advertise 203.0.113.7, 10.9.2.1:5060  advertise  203.0.113.7"], "203.0.113.7:5060"),
    ("tcp", ["server.address=SIP.example.com"], "SIP.example.com:5060"),
    ("tls", ["server.address=[2001:db8::7]"], "[2001:db8::7]:5061"),
    ("udp", ["server.address=192.0.2.1", "server.listen-udp=0.0.0.0:5060 advertise sip.example.com"], "sip.example.com:5060")])
def test_what_is_advertised(wires, made, net, transport, options, name):
    """Behind a NAT, or in a container: peers are told this only, and what comes back by it is known for our own."""
    said = call_both_ways(made(*options), net, [(host, transport, V4) for host in wires.hosts[1:]])
    assert set(said) == {name}


@pytest.mark.parametrize("value, key", [
    ("0.0.0.0:5060 advertise", "listen-udp"), ("0.0.0.0:5060 advertise a b", "listen-udp"), ("0.0.0.0:5060 advertised a", "listen-udp"),
    ("0.0.0.0:5060 advertise a:0", "listen-tcp"), ("0.0.0.0:5060 advertise 0.0.0.0", "listen-tls"), ("advertise a", "listen-udp"),
    ("0.0.0.0:443 advertise a", "listen-https"), ("0.0.0.0:5060 advertise [::]", "listen-tls"),
    ("0.0.0.0:5060 advertise <sip:a>", "listen-udp"), ("a b", "address"), ("0.0.0.0", "address"), ("192.0.2.1:5060", "address"),
    ("[::]", "address"), ("2001:db8::1", "address")])
def test_what_cannot_be_advertised(labs, value, key):
    done = vouch("serve", "-c", labs.template.conf, "-o", f"server.{key}={value}")
    assert done.returncode == 1 and key in done.stderr and "expected" in done.stderr, done


@pytest.mark.parametrize("there", TRANSPORTS)
def test_a_request_leaves_by_the_listener_of_the_phone(labs, net, there):
    """RFC 3261 18.1.1: with several UDP listeners its NAT lets nothing in but from where it has sent to."""
    port = free_ports(2)
    server = labs.server(f"server.listen-udp=127.0.0.1:{port}, 127.0.0.1:{port + 1}", port=None)
    server.options[0] = f"server.listen-udp=127.0.0.1:{server.port}, 127.0.0.1:{port}, 127.0.0.1:{port + 1}"
    server.start()
    try:
        alice = Phone(UdpPeer(net, ("127.0.0.1", port + 1)), server.user()).register()
        bob = Phone(server.peer(net, there), server.user()).register()
        for one, other in ((bob, alice), (alice, bob)):
            ours, theirs, _ = set_up(one, other)
            info, came = theirs.ask(theirs.new("INFO"), one)
            one.answer(came, 200)
            other.told(info, 200)
            ended(ours, other)
    finally:
        server.stop()
