"""What the log says: a line for each thing that was done for a user or refused, whole messages on demand, and no secret."""

import re

import pytest
from peer import certs
from peer.lab import until
from peer.phone import Dialog, Phone
from peer.sipclient import Agent


def lines(server, level="info"):
    """(event, {key: value}) of the lines of that level since the last look."""
    found = re.findall(rf"^\S+ {level} event=(\S+)(.*)$", server.process.log, re.M)
    return [(event, dict(one.split("=", 1) for one in rest.split())) for event, rest in found]


def test_info_has_one_line_for_each_thing(server, net):
    other = server("log.level=info", "identity.sign=off", "notify.interval=0")
    alice, bob = (Phone(other.peer(net, "tcp"), other.user()) for _ in range(2))
    alice.register()
    bob.register()
    sent, came = alice.ask(alice.agent.new("INVITE", bob.aor, {"Contact": alice.contact}), bob)
    bob.answer(came, 200, "OK", [("Contact", bob.contact)])
    dialog = Dialog.of_caller(alice, sent, alice.told(sent, 200))
    alice.send(dialog.new("ACK", number=sent.get("CSeq").split()[0]))
    sent, came = dialog.ask(dialog.new("BYE"), bob)
    bob.answer(came, 200)
    alice.told(sent, 200)
    sent, came = alice.ask(alice.agent.new("INVITE", bob.aor, {"Contact": alice.contact}), bob)
    bob.answer(came, 486, "Busy Here")
    alice.told(sent, 486)
    owner = other.agent(net, bob.user)
    assert owner.publish(*certs.pair(bob.user.aor)).code == 200
    other.agent(net, transport="tcp").subscribe(bob.user.aor)
    eve = Agent(other.peer(net, "tcp"), "eve", "example.org")
    assert eve.exchange(eve.new("MESSAGE", "sip:nobody@example.com")).code == 404
    until(lambda: any(fields.get("status") == "404" for _, fields in lines(other)), 5, "the last line")
    said = [(event, fields) for event, fields in lines(other) if not event.startswith("memory")]
    assert [event for event, _ in said] == ["registered", "registered", "call_begun", "call_ended", "passed", "cred_write",
                                            "subscribed", "answered"]
    assert said[2][1]["from"] == said[3][1]["from"] == alice.aor and said[2][1]["to"] == bob.aor
    assert (said[4][1]["status"], said[4][1]["reason"]) == ("486", "Busy\\x20Here")
    assert said[6][1]["package"] == "certificate" and said[6][1]["aor"] == bob.user.aor
    assert said[7][1]["reason"] == "Not\\x20Found"


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_trace_shows_every_message_and_no_secret(server, net, transport):
    other = server("log.level=trace")
    user = other.user()
    phone = Phone(other.peer(net, transport), user).register()
    pair = certs.pair(user.aor)
    owner = other.agent(net, user)
    assert owner.publish(*pair).code == 200
    assert owner.fetch_credential() == pair
    until(lambda: re.search(r"--> TLS .*\n    NOTIFY (?:.|\n)*\(a body of ", other.process.log), 5, "the messages")
    text = other.process.log
    for expected in (f"<-- {transport.upper()} {phone.peer.address}\n    REGISTER sip:example.com SIP/2.0\n",
                     f"--> {transport.upper()} {phone.peer.address}\n    SIP/2.0 200 OK\n",
                     "Authorization: Digest (left out)\n", f"(a body of {len(owner_body(text))} octets)"):
        assert expected in text
    assert user.password not in text and "response=" not in text and "PRIVATE" not in text


@pytest.mark.parametrize("level", ["trace", "debug", "info"])
def test_no_password_of_a_URI_is_shown(server, net, level):
    """RFC 3261 19.1.1: sip:user:password@host, wherever a phone or a stranger writes one; and what proves that somebody knows
    the password of an account."""
    other = server(f"log.level={level}", "identity.sign=off")
    alice, bob = Phone(other.peer(net, "tcp"), other.user()), Phone(other.peer(net, "udp"), other.user()).register()
    alice.uri = alice.uri.replace(alice.user.name, f"{alice.user.name}:hunter1")
    alice.contact = f"<{alice.uri}>"
    alice.register()
    headers = {"From": f"<sip:{bob.user.name}:hunter2@example.com>;tag=x", "To": f'"A" <sip:{alice.user.name}:hunter3@example.com>',
               "Refer-To": "<sip:x@example.org?Authorization=Digest%20hunter4&X=y>", "X-Other": "sip:x:hunter5@example.org"}
    request = bob.agent.new("MESSAGE", alice.aor.replace("@", ":hunter6@"), headers)
    sent, came = bob.ask(request, alice)
    alice.answer(came, 200, "OK", [("Authentication-Info", 'rspauth="hunter7"'), ("Proxy-Authentication-Info", 'rspauth="hunter8"')])
    bob.told(sent, 200)
    stranger = Agent(other.peer(net, "udp"), "eve:hunter9", "example.org")
    stranger.exchange(stranger.new("MESSAGE", "sip:x:hunter10@example.net"))
    watcher = Agent(other.peer(net, "tcp"), "w:hunter11", "example.org")
    watcher.subscribe(bob.user.aor)
    strange = stranger.new("MESSAGE", "sip:x@example.net", {
        "Identity-Info": "<https://user:hunter12@example.org/c.cer>;alg=rsa-sha1", "Authorization": 'Digest response="hunter13"',
        "Refer-To": "<sip:a@b?%41uthorization=hunter14>", "X": "sip:a:hu;nter@hunter15@b"}, b"hunter16").encode()
    for end in (b"\r\n", b"\r", b"\n"):
        stranger.peer.send(strange.replace(b"\r\n", end))
    net.idle(0.2)
    said = [other.admin("status", *words).stdout for words in ((), ("--json",), ("--subscriptions",), ("--subscriptions", "--json"))]
    assert all(f"{alice.user.name}:***@" in one for one in said)
    assert "***" in other.process.log and "hunter" not in other.process.log + "".join(said)


def owner_body(text):
    """As many octets as Content-Length of the NOTIFY with the credential says."""
    return " " * int(re.search(r"NOTIFY sips?:(?:.|\n)*?Content-Length: (\d+)", text)[1])
