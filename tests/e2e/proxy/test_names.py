"""The domain has other names: the addresses of the server, by which door stations and gateways know it (RFC 3261 16.3, 19.1),
and those of server.alias. Users are the same by each of them; certificates and signatures are those of the domain."""

import pytest
from peer.phone import Phone, Sender, came_to
from peer.sipclient import Agent, addr_spec

TRANSPORTS = ["udp", "tcp", "tls"]


@pytest.fixture(scope="module")
def named(labs):
    server = labs.server("server.alias=pbx.example.net, 192.0.2.77", "identity.sign=off").start()
    yield server
    server.stop()


def names(server, transport):
    port = server.port + (transport == "tls")
    return [f"127.0.0.1:{port}", "PBX.example.net", "192.0.2.77", "192.0.2.77:5060", "Example.com"]


def others(server):
    return ["127.0.0.2", f"127.0.0.1:{server.port + 7}", "example.net", "pbx.example.com", "192.0.2.78"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_phone_registers_by_another_name(named, net, transport):
    for name in names(named, transport):
        user = named.user()
        agent = Agent(named.peer(net, transport), user.name, password=user.password)
        aor = f"<sip:{user.name}@{name}>"
        made = agent.new("REGISTER", f"sip:{name}", {"To": aor, "From": f"{aor};tag=1", "Contact": "<sip:a@192.0.2.1>"})
        assert agent.run(made)[1].code == 200, name
        assert f"  {user.aor}  sip:a@192.0.2.1  " in named.admin("status").stdout
    for name in others(named):
        made = agent.new("REGISTER", f"sip:{name}", {"To": f"<{agent.aor}>", "Contact": "<sip:b@192.0.2.1>"})
        assert agent.run(made)[1].code in (403, 404, 407), name


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "OPTIONS", "INFO"])
def test_a_user_is_called_by_another_name(named, net, transport, method):
    """By users and strangers; who is no user is not found, whatever the server itself allows."""
    bob = Phone(named.peer(net, "tcp"), named.user()).register()
    eve = Sender(named.peer(net, transport), named.user())
    for name in names(named, transport):
        for stranger in ("From: <sip:eve@example.org>;tag=1", None):
            more = {"From": stranger} if stranger else {}
            call_id, raw = eve.octets(method, f"sip:{bob.agent.user}@{name}", more, b"", credentials=not stranger)
            eve.peer.send(raw)
            came = came_to(bob, call_id, eve)
            assert came.uri == bob.uri
            bob.answer(came, 603, "No")
            eve.peer.take(lambda m, c=call_id: m.code == 603 and m.one("Call-ID") == c, 5, "the 603")
        if name != "Example.com" and method != "OPTIONS":
            call_id, raw = eve.octets(method, f"sip:nobody@{name}", {"From": "From: <sip:eve@example.org>;tag=1"}, credentials=False)
            eve.peer.send(raw)
            code = eve.peer.take(lambda m, c=call_id: m.code and m.code > 100 and m.one("Call-ID") == c, 5, "the answer").code
            assert code == 404, name


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_G16_nobody_calls_as_a_user_by_another_name(named, net, transport):
    """By any name of the domain From is proven, if it is that of a user; gateways have numbers of their own there."""
    alice, bob = named.user(), Phone(named.peer(net, "tcp"), named.user()).register()
    eve = Agent(named.peer(net, transport), "eve", "example.org")
    eve.peer.behind_proxy = True
    for name in names(named, transport):
        for user, refused in ((alice.name, True), ("4930123456", name == "Example.com")):
            request = eve.new("MESSAGE", bob.aor, {"From": f"<sip:{user}@{name}>;tag=1"})
            eve.send(request)
            if refused:
                assert eve.final(request).code == 407, name
            else:
                came = came_to(bob, request.get("Call-ID"))
                bob.answer(came, 200)
                assert eve.final(request).code == 200
    # The user himself is let in by that name.
    own = Agent(named.peer(net, transport), alice.name, password=alice.password)
    own.peer.behind_proxy = True
    for name in names(named, transport):
        request = own.new("MESSAGE", bob.aor, {"From": f"<sip:{alice.name}@{name}>;tag=2"})
        challenge = own.pick(own.exchange(request))
        again = own.authorize(request, challenge)
        again.set("Proxy-Authorization", again.get("Authorization")).set("Authorization", None)
        own.send(again)
        bob.answer(came_to(bob, again.get("Call-ID")), 200)
        assert own.final(again).code == 200


def test_a_certificate_is_of_the_name_that_was_asked_for(named, net):
    """Its NOTIFY is signed for that name, and the server signs for its domain only."""
    user = named.user()
    agent = named.agent(net, user)
    for name in names(named, "tls")[:-1]:
        asked = agent.new("SUBSCRIBE", f"sip:{user.name}@{name}", {"Event": "certificate", "Expires": 0, "Contact": f"<{agent.aor}>"})
        answer = agent.exchange(asked)
        assert answer.code >= 400, (name, answer.start)
        assert addr_spec(answer.one("To"))[0] == f"sip:{user.name}@{name}"
