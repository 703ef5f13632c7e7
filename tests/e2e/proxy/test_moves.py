"""A call follows its phones (RFC 3261 12.2.1.1, 13.2.2.4; RFC 5626): an end moves, or connects again, while the call goes on.
Tokens prove the dialog, bindings say where. Whichever end moves, over whatever transports."""

import pytest
from peer.phone import Dialog, Phone
from peer.sipclient import addr_spec

ENDS = [(one, other) for one in ("udp", "tcp", "tls") for other in ("udp", "tcp", "tls")]


def invited(dialog, other, headers):
    """An INVITE in the dialog, answered and acknowledged. Gives what came to the other end."""
    sent, came = dialog.ask(dialog.new("INVITE", headers), other)
    other.answer(came, 200, "OK", [("Contact", other.contact)])
    dialog.phone.told(sent, 200)
    dialog.number = int(sent.get("CSeq").split()[0])
    ack = dialog.new("ACK", number=dialog.number)
    dialog.phone.send(ack)
    dialog.phone.net.wait(lambda: other.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
    return came


def set_up(one, other):
    sent, came = one.ask(one.agent.new("INVITE", other.aor, {"Contact": one.contact}), other)
    other.answer(came, 200, "OK", [("Contact", other.contact)])
    ours, theirs = Dialog.of_caller(one, sent, one.told(sent, 200)), Dialog.of_callee(other, came)
    ack = ours.new("ACK", number=sent.get("CSeq").split()[0])
    one.send(ack)
    one.net.wait(lambda: other.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
    return ours, theirs


def asked(dialog, other, method="INFO"):
    sent, came = dialog.ask(dialog.new(method), other)
    other.answer(came, 200)
    dialog.phone.told(sent, 200)


def from_now_on(dialog, phone):
    """The same end of the dialog, on another phone object."""
    return Dialog(phone, dialog.local, dialog.remote, dialog.call_id, dialog.routes, dialog.target, dialog.number + 10)


@pytest.fixture
def phones(lab, net):
    def start(*transports):
        return [Phone(lab.peer(net, transport), lab.user()).register() for transport in transports]
    return start


def again(lab, net, phone, transport, contact=None):
    """The user on another socket: elsewhere, or, with the Contact that he had, behind another port of his NAT."""
    made = Phone(lab.peer(net, transport), phone.user)
    if contact:
        made.contact, made.uri = contact, contact.strip("<>")
    return made


@pytest.mark.parametrize("mover", ["caller", "callee"])
@pytest.mark.parametrize("one, other", ENDS)
def test_a_phone_moves_in_a_call(lab, net, phones, one, other, mover):
    """Another address, a new Contact: REGISTER, re-INVITE; then everything goes there."""
    ends = phones(one, other)
    dialogs = list(set_up(*ends))
    at = 0 if mover == "caller" else 1
    moved = again(lab, net, ends[at], (one, other)[at]).register()
    dialogs[at], here, there = from_now_on(dialogs[at], moved), moved, ends[1 - at]
    came = invited(dialogs[at], there, [("Contact", moved.contact)])
    assert came.one("Contact") == moved.contact
    dialogs[1 - at].target = moved.uri
    asked(dialogs[1 - at], here)
    asked(dialogs[at], there)
    invited(dialogs[1 - at], here, [("Contact", there.contact)])
    asked(dialogs[1 - at], here, "BYE")
    assert not [m for m in ends[at].peer.inbox if m.method and m.method != "ACK"]


@pytest.mark.parametrize("mover", ["caller", "callee"])
@pytest.mark.parametrize("one, other", ENDS)
def test_a_phone_connects_again_in_a_call(lab, net, phones, one, other, mover):
    """The same Contact by another connection, or another port of a NAT, registered again; then either side is the first."""
    at = 0 if mover == "caller" else 1
    ends = phones(one, other)
    ends[at].contact = f"<sip:me@10.1.2.3:5060;transport={(one, other)[at]}>"
    ends[at].register()
    dialogs = list(set_up(*ends))
    moved = again(lab, net, ends[at], (one, other)[at], ends[at].contact)
    ends[at].peer.close()
    moved.register()
    dialogs[at], there = from_now_on(dialogs[at], moved), ends[1 - at]
    asked(dialogs[1 - at], moved)
    invited(dialogs[at], there, [("Contact", moved.contact)])
    invited(dialogs[1 - at], moved, [("Contact", there.contact)])
    asked(dialogs[at], there, "BYE")


# A URI that the server wrote comes back as a phone's library writes it (RFC 3261 19.1.4: all equal).
SPELLINGS = {
    "as it was": lambda user: user,
    "Z escaped": lambda user: user.replace("Z", "%5a").replace("z", "%7A"),
    "all escaped": lambda user: "".join(f"%{ord(char):02x}" for char in user),
    "first and last": lambda user: f"%{ord(user[0]):02X}{user[1:-1]}%{ord(user[-1]):02x}",
    "marks escaped": lambda user: user.replace("-", "%2D").replace("_", "%5f"),
}


def respelled(route, how):
    uri, rest = addr_spec(route)
    scheme, _, place = uri.partition(":")
    user, at, host = place.rpartition("@")
    return f"<{scheme}:{SPELLINGS[how](user)}{at}{host.replace('example.com', 'EXAMPLE.com')}>{rest}"


@pytest.mark.parametrize("how", SPELLINGS)
@pytest.mark.parametrize("one, other", ENDS)
def test_a_route_comes_back_in_another_spelling(lab, phones, one, other, how):
    """Twinkle writes the letter Z as %5a: the ACK vanished, and the call was dead."""
    ends = phones(one, other)
    dialogs = set_up(*ends)
    for dialog, there in zip(dialogs, reversed(ends)):
        dialog.routes = [respelled(route, how) for route in dialog.routes]
        invited(dialog, there, [("Contact", dialog.phone.contact)])
        asked(dialog, there)
    asked(dialogs[0], ends[1], "BYE")
