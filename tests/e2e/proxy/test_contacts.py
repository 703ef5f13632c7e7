"""Which device a Contact names (RFC 3261 10.2.1, 16.5): the one that registers, perhaps behind a NAT; another one; another
user of the domain. Requests go there, by every transport that the registration came by, and nowhere else."""

import pytest
from peer.phone import End, Phone, about, came_to
from peer.sipclient import Agent, UdpPeer

TRANSPORTS = ["udp", "tcp", "tls"]

# Contacts by which only the device that has registered can be meant; AOR is its own.
OWN = ["sip:a@10.99.9.9", "sip:a@192.168.99.9:5070;transport=tcp", "sip:a@[fd00:99::9]", "sip:a@0.0.0.0", "sip:a@224.0.1.75",
       "sip:a@phone", "sip:a@b7f3.invalid;transport=ws", "sip:a@phone.local", "sip:a@localhost", "sip:a@a.localhost", "AOR"]


@pytest.fixture(scope="module")
def house(labs):
    server = labs.server("identity.sign=off").start()
    yield server
    server.stop()


@pytest.fixture
def stranger(house, net):
    return Agent(house.peer(net, "tcp"), "eve", "example.org")


def registered(server, net, transport, *contacts, user=None):
    """A phone, and what it registers, which need not be itself."""
    phone = Phone(server.peer(net, transport), user or server.user())
    made = phone.agent.new("REGISTER", "sip:example.com", {"To": f"<{phone.aor}>"})
    for one in contacts:
        made.add("Contact", f"<{phone.aor if one == 'AOR' else one}>")
    answer = phone.agent.run(made)[1]
    assert answer.code == 200, answer.start
    return phone


def asked(stranger, aor):
    request = stranger.new("MESSAGE", aor)
    stranger.send(request)
    return request.get("Call-ID")


def refusal(stranger, call_id):
    return stranger.peer.take(lambda m: m.code and m.code >= 200 and about(m, call_id), 10, "an answer").code


def desk_phone(net, server, source="127.0.0.2"):
    return End(UdpPeer(net, ("127.0.0.1", server.port), host=source))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_who_is_behind_a_nat_is_where_he_has_sent_from(house, net, stranger, transport):
    for contact in OWN:
        phone = registered(house, net, transport, contact)
        came = came_to(phone, asked(stranger, phone.aor))
        assert came.uri == (phone.aor if contact == "AOR" else contact)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_contact_of_another_host_is_where_requests_go(house, net, stranger, transport):
    """A computer registers the phone on the desk. Over TLS, it has to say that the way to that may be in the clear."""
    other = desk_phone(net, house)
    phone = registered(house, net, transport, f"sip:desk@{other.peer.address}")
    assert came_to(other, asked(stranger, phone.aor)).uri == f"sip:desk@{other.peer.address}"
    assert not phone.peer.inbox


@pytest.mark.parametrize("said", ["", ";transport=udp"])
def test_a_tls_phone_names_another_host(house, net, stranger, said):
    other = desk_phone(net, house)
    phone = registered(house, net, "tls", f"sip:desk@{other.peer.address}{said}")
    where, neither = (other, phone) if said else (phone, other)
    came_to(where, asked(stranger, phone.aor))
    assert not neither.peer.inbox


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_contact_by_name(house, server, net, transport):
    """Where the name leads; the connection of the phone, if it leads to the phone's host; the phone, if it leads nowhere."""
    other = desk_phone(net, house)
    house = server("identity.sign=off", f"route.desk.example.net=udp:{other.peer.address}",
                   "route.phone.example.net=udp:127.0.0.1:9")
    other.peer.server = ("127.0.0.1", house.port)
    stranger = Agent(house.peer(net, "tcp"), "eve", "example.org")
    said = ";transport=udp" if transport == "tls" else ""
    phone = registered(house, net, transport, f"sip:desk@desk.example.net{said}")
    came_to(other, asked(stranger, phone.aor))
    assert not phone.peer.inbox
    phone = registered(house, net, transport, f"sip:a@nowhere.invalid.example.net{said}")
    came_to(phone, asked(stranger, phone.aor))
    if transport != "udp":
        phone = registered(house, net, transport, f"sip:a@phone.example.net{said}")
        came_to(phone, asked(stranger, phone.aor))


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("scheme", ["sip", "sips"])
def test_a_user_forwards_to_another(house, net, stranger, transport, scheme):
    if scheme == "sips" and transport != "tls":
        pytest.skip("a sips Contact is registered over TLS")
    bob = Phone(house.peer(net, "tls"), house.user(), secure=scheme == "sips").register()
    alice = Phone(house.peer(net, transport), house.user(), secure=scheme == "sips")
    alice.contact = f"<{bob.aor}>"
    alice.register()
    call_id = asked(stranger, alice.aor)
    came = came_to(bob, call_id)
    assert came.uri == bob.uri and len(came.all("Via")) == 2
    bob.answer(came, 200)
    stranger.peer.take(lambda m: m.code == 200 and about(m, call_id), 5, "the 200")
    assert not alice.peer.inbox


def test_a_user_sends_to_one_who_forwards(house, net):
    """The credentials of the caller are for one passage: the way to the other user must not lead through this server again."""
    bob = Phone(house.peer(net, "udp"), house.user()).register()
    alice = registered(house, net, "udp", f"sip:{bob.user.name}@EXAMPLE.com;x=1")
    carol = Phone(house.peer(net, "tcp"), house.user()).register()
    request, came = carol.ask(carol.agent.new("MESSAGE", alice.aor), bob)
    bob.answer(came, 200)
    assert carol.told(request, 200)


def test_users_who_forward_in_a_circle_or_to_nobody(house, net, stranger):
    names = [house.user() for _ in range(3)]
    for i, user in enumerate(names):
        registered(house, net, "tcp", names[(i + 1) % 3].aor, user=user)
    assert refusal(stranger, asked(stranger, names[0].aor)) == 480
    alone = registered(house, net, "tcp", "sip:nobody@example.com", "mailto:alice@example.com")
    assert refusal(stranger, asked(stranger, alone.aor)) == 480
    # Both forward to one phone: it rings once.
    bob = Phone(house.peer(net, "tcp"), house.user()).register()
    one, two = (registered(house, net, "tcp", bob.aor) for _ in range(2))
    both = registered(house, net, "tcp", one.aor, two.aor)
    call_id = asked(stranger, both.aor)
    came_to(bob, call_id)
    net.idle(0.2)
    assert not [m for m in bob.peer.inbox if m.method]
