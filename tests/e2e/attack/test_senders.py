"""Who a From says that the sender is: whatever a phone could show as a user of ours has to be proven by him, in every spelling,
by every interface and every scheme; and somebody who reads as nobody of ours comes through as before."""

import socket

import pytest
from peer import hosts
from peer.lab import Process, User, read_pairs, until
from peer.phone import Phone
from peer.sipclient import Agent, StreamPeer, UdpPeer
from peer.witness import Witness

pytestmark = hosts.needed

# With alice, a user, in front: "challenged", "refused", or "delivered". The server is 10.9.1.1 and 10.9.2.1, fd09:1::1 and
# fd09:2::1; the stranger has come by the second wire.
OWN = ["example.com", "EXAMPLE.com.", "10.9.2.1", "10.9.1.1", "10.9.1.1.", "10.9.1.1:5060", "10.9.1.1.:5061", "10.9.257:5060", "010.009.01.1",
       "012.011.1.1", "10.9.257", "10.590081", "168362241", "0x0a090101", "0xa.9.0x1.01", "127.0.0.1", "127.1", "[fd09:1::1]",
       "[FD09:2:0:0:0:0:0:1]", "[::ffff:10.9.1.1]", "[::1]", "alias.example.org", "ALIAS.example.org.", "sip.example.net"]
OTHERS = ["example.org", "10.9.2.2", "10.9.1.2", "192.0.2.1", "10.9.258", "[fd09:2::2]", "10.9.1.1:4711", "10.9.257:5062", "[::1]:5062", "com", "1", "notexample.com", "net"]
FORMS = {f"sip:alice@{host}": "challenged" for host in OWN}
FORMS.update({f"sip:alice@{host}": "delivered" for host in OTHERS})
FORMS.update({
    "sips:alice@10.9.1.1": "challenged", "SIP:%61lice@10.9.1.1": "challenged", "sip:alice:word@10.9.1.1;user=phone": "challenged",
    "sip:+493012345@10.9.1.1": "delivered", "sip:10.9.1.1": "delivered", "sip:+493012345@example.com": "challenged",
    "tel:alice;phone-context=example.com": "challenged", "TEL:alice;x=y;Phone-Context=10.9.1.1": "challenged",
    "tel:1-0-0;phone-context=example.com": "challenged", "tel:(1)0.0;phone-context=10.9.1.1": "challenged",
    "tel:100;phone-context=exampl%65.com": "challenged", "tel:100;phone-context=example.org;phone-context=example.com": "challenged",
    "tel:1.0.1;phone-context=example.com": "delivered", "tel:-;phone-context=example.com": "delivered", "sip:alice@127.3.2.1": "challenged",
    **{f"sip:alice@{host}": "challenged" for host in ("localhost", "LocalHost.", "0.0.0.0", "[::]", "203.0.113.7", "203.0.113.007",
                                                      "0xcb.0.113.7", "3405803783", "[::ffff:203.0.113.7]", "[2001:db8::7]",
                                                      "[2001:DB8:0:0::0007]", "198.51.100.9", "198.51.100.009")},
    "tel:+493012345": "delivered", "tel:110;phone-context=+49": "delivered", "tel:alice;phone-context=example.org": "delivered",
    "tel:110;phone-context=example.com": "delivered"})
FORMS.update({f"{scheme}:alice@{host}": "refused" for scheme in ("im", "pres", "IM", "mailto", "xmpp", "h323", "telx")
              for host in ("example.com", "example.org")})
FORMS.update({"http://alice@example.com": "refused", "https://example.com/alice": "refused", "urn:service:sos": "refused",
              "data:alice@example.com": "refused"})


@pytest.fixture(scope="module")
def wires():
    made = hosts.Wires("server", "lan", "far")
    yield made
    made.close()


@pytest.fixture(scope="module", params=[(), ("identity.require=example.org",)], ids=["", "required"])
def server(request, wires, tmp_path_factory):
    made = hosts.Made(tmp_path_factory.mktemp("senders") / "s", wires.hosts[0], [
        "server.alias=alias.example.org, 203.0.113.7, [2001:db8:0::7]", "server.address=198.51.100.9",
        "server.listen-udp=0.0.0.0:5060 advertise sip.example.net:15060",
        *(f"server.listen-{kind}=0.0.0.0:506{tls}, [::]:506{tls}" for kind, tls in (("tcp", 0), ("tls", 1))), *request.param])
    made.required = bool(request.param)
    made.start()
    for name in ("alice", "bob", "100"):
        made.user(name, "secret")
    yield made
    made.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_user_in_whatever_spelling_is_proven(server, wires, net, transport):
    """A matrix of From; where a domain has to sign, nobody of it comes through without."""
    bob = Phone(server.at(net, wires.hosts[1], "udp"), User("bob", "secret")).register()
    stranger = Phone(server.at(net, wires.hosts[2], transport), User("x", "none"), "example.org")
    wrong = []
    for form, expected in FORMS.items():
        request = stranger.agent.new("MESSAGE", bob.aor, {"From": f"<{form}>;tag=1"})
        stranger.send(request)

        def happens(request=request):
            return bob.find(request, lambda m: m.method) or stranger.find(request, lambda m: m.code and m.code >= 300)

        came = net.wait(happens, 5, f"what comes of {form}")
        if came.method:
            bob.answer(came, 200)
        found = "delivered" if came.method else {407: "challenged", 403: "refused", 428: "unsigned"}.get(came.code, came.start)
        if server.required and expected == "delivered" and "@example.org" in form:
            expected = "unsigned"
        if found != expected:
            wrong.append((form, expected, found))
    assert not wrong


def test_a_lab_for_others_leads_nobody_to_its_loopback(labs, wires, net):
    """`vouch lab` on the loopback reaches what is there, since its phones and neighbours are; one that listens on another
    address has strangers (G44)."""
    here, _, far = wires.hosts
    directory = labs.directory()
    bob = User("bob", read_pairs(directory / "bob.account")["password"])
    lab = Process("lab", "--dir", directory, "--listen", "10.9.2.1", "--port", 5070, preexec_fn=here.enter)
    try:
        until(lambda: lab.out or lab.child.poll() is not None, 30, "the line ready")
        assert lab.out and lab.out[0].startswith("ready "), lab.log
        with here.here():
            witness = Witness("127.0.0.1")
        with far.here():
            phone = Phone(UdpPeer(net, ("10.9.2.1", 5070), host="10.9.2.2"), bob).register()
            eve = Agent(StreamPeer(net, socket.create_connection(("10.9.2.1", 5070), 10), "TCP"), "eve", "example.org")
        eve.peer.behind_proxy, eve.peer.answer = True, None
        for url in (f"http://127.0.0.1:{witness.port}/x", f"http://localhost:{witness.port}/x", f"http://10.9.2.1:{witness.port}/x"):
            request = eve.new("MESSAGE", phone.aor, {"Identity": '"aGVsbG8="', "Identity-Info": f"<{url}>;alg=rsa-sha1"})
            eve.send(request)
            came = net.wait(lambda r=request: phone.find(r, lambda m: m.method), 8, "the MESSAGE")
            phone.answer(came, 200)
        request = phone.prove_first(phone.agent.new("MESSAGE", witness.uri("tcp")))
        assert net.wait(lambda: phone.find(request, lambda m: m.code), 5, "an answer").code == 403
        assert not witness.hit()
        witness.close()
        eve.peer.close()
    finally:
        lab.kill()
