"""The registrar: RFC 3261 10.3, RFC 3327, RFC 5626 6, RFC 5630 5.2, and the REGISTER messages of RFC 4475."""

import json
import pathlib
import re
import time

import pytest
from peer import digest
from peer.lab import ROOT, until
from peer.sipclient import Agent, Request, addr_spec, parameters, token

URI = "sip:example.com"
VECTORS = pathlib.Path(ROOT, "tests/vectors/rfc4475")
INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'
TRANSPORTS = ("udp", "tcp", "tls")


def request(agent, *contacts, uri=URI, **headers):
    """A REGISTER; headers with _ for -."""
    made = agent.new("REGISTER", uri, {"To": f"<{agent.aor}>"})
    for contact in contacts:
        made.add("Contact", contact)
    for name, value in headers.items():
        made.add(name.replace("_", "-"), str(value))
    return made


def register(agent, *contacts, **headers):
    return agent.run(request(agent, *contacts, **headers))[1]


def bound(response):
    """{Contact URI: parameters} of a 200."""
    assert response.code == 200, response.start
    pairs = [addr_spec(value) for value in response.values("Contact")]
    assert all(value.startswith("<") for value in response.values("Contact"))
    found = {uri: parameters(rest) for uri, rest in pairs}
    assert len(found) == len(pairs) and all("expires" in one for one in found.values())
    return found


def uris(agent):
    return sorted(bound(register(agent)))


def here(agent, name="phone"):
    return f"sip:{name}@{agent.peer.address}"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_10_3_register_refresh_query_and_remove(lab, net, user, transport):
    agent = lab.agent(net, user, transport)
    assert bound(register(agent)) == {}
    answer = register(agent, f'"Phone" <{here(agent)}>;q=0.7;x="a;b"', Expires=600)
    assert bound(answer) == {here(agent): {"q": "0.7", "x": '"a', 'b"': "", "expires": "600"}}
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.one("Date"))
    assert sorted(answer.values("Supported")) == ["outbound", "path"] and not answer.all("Require")
    assert bound(register(agent, f"<{here(agent)}>"))[here(agent)] == {"expires": "3600"}
    net.idle(1.1)
    assert 3597 <= int(bound(register(agent))[here(agent)]["expires"]) <= 3599
    assert bound(register(agent, f"<{here(agent)}>;expires=0")) == {}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_10_3_always_challenged_and_nobody_is_told_apart(lab, net, user, transport):
    for name in (user.name, "nobody" + token()):
        agent = Agent(lab.peer(net, transport), name)
        refused = register(agent, f"<{here(agent)}>")
        assert refused.code == 401
        assert [re.sub(r'nonce="[^"]*"', "", one) for one in refused.all("WWW-Authenticate")] == \
            ['Digest realm="example.com", , algorithm=MD5, qop="auth,auth-int"']
    agent.password = "guess"
    assert register(agent, f"<{here(agent)}>").code == 401


def test_10_3_another_domain(lab, net, user):
    agent = lab.agent(net, user)
    assert register(agent, f"<{here(agent)}>", uri="sip:other.example").code == 407  # that registrar is for the proxy to reach
    assert register(agent, f"<{here(agent)}>", uri="http://example.com").code == 416


def test_10_3_third_parties(lab, net, user):
    other = lab.user()
    agent, them = lab.agent(net, user), lab.agent(net, other)
    for headers in ({"To": f"<{other.aor}>"}, {"From": f"<{other.aor}>;tag=1"},
                    {"To": f"<{other.aor}>", "From": f"<{other.aor}>;tag=1"}):
        made = request(agent, f"<{here(agent)}>")
        for name, value in headers.items():
            made.set(name, value)
        assert agent.run(made)[1].code == 403
    unknown = request(agent, f"<{here(agent)}>").set("To", "<sip:alice@other.example>")
    assert agent.run(unknown)[1].code == 404
    assert uris(agent) == [] and uris(them) == []


def test_10_3_step_6_star(lab, net, user):
    agent = lab.agent(net, user)
    assert register(agent, "<sip:a@h>", "<tel:+1234>").code == 200
    for contacts, headers in ((("*",), {}), (("*",), {"Expires": 60}), (("*", "<sip:a@h>"), {"Expires": 0}),
                              (("<sip:a@h>, *",), {"Expires": 0})):
        assert register(agent, *contacts, **headers).code == 400
    assert uris(agent) == ["sip:a@h", "tel:+1234"]
    assert bound(register(agent, "*", Expires=0)) == {}


def test_10_3_step_7_too_brief(lab, net, user):
    agent = lab.agent(net, user)
    for contact, headers in (("<sip:a@h>;expires=59", {}), ("<sip:a@h>", {"Expires": 1})):
        refused = register(agent, contact, **headers)
        assert refused.code == 423 and refused.one("Min-Expires") == "60"
    assert uris(agent) == []
    assert bound(register(agent, "<sip:a@h>;expires=60", Expires=5))["sip:a@h"]["expires"] == "60"
    assert bound(register(agent, "<sip:a@h>", Expires=99999999999))["sip:a@h"]["expires"] == "7200"
    assert bound(register(agent, "<sip:a@h>;expires=soon"))["sip:a@h"]["expires"] == "3600"


def test_10_3_step_7_out_of_order_and_atomic(lab, net, user):
    agent = lab.agent(net, user)
    sent, answer = agent.run(request(agent, "<sip:a@h>", Expires=600))
    assert answer.code == 200
    number = int(sent.get("CSeq").split()[0])

    def again(cseq, *contacts):
        made = request(agent, *contacts, Expires=900).set("Call-ID", sent.get("Call-ID"))
        return agent.run(made.set("CSeq", f"{cseq - 1} REGISTER"))[1]

    assert again(number, "<sip:a@h>").code == 500
    assert again(number, "<sip:new@h>", "<sip:a@h>;expires=0").code == 500
    assert list(bound(register(agent))) == ["sip:a@h"]
    assert int(bound(register(agent))["sip:a@h"]["expires"]) <= 600
    assert sorted(bound(again(number + 3, "<sip:new@h>", "<sip:a@h>"))) == ["sip:a@h", "sip:new@h"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_10_3_many_contacts_and_their_cap(lab, net, user, transport):
    agent = lab.agent(net, user, transport)
    ten = [f'<sip:{"x" * 100}{number}@h>;note="{"y" * 300}"' for number in range(10)]
    assert len(bound(register(agent, *ten))) == 10
    refused = register(agent, "<sip:more@h>")
    assert refused.code == 503 and refused.one("Retry-After") and len(uris(agent)) == 10
    assert len(bound(register(agent, ", ".join(ten[:5]), *ten[5:]))) == 10
    assert register(agent, f'<sip:{"x" * 100}0@h>;a="{"y" * 1000}";b="{"y" * 1000}"').code == 413
    assert register(agent, *[f"<sip:{number}@h>;expires=0" for number in range(31)]).code == 400
    assert bound(register(agent, "*", Expires=0)) == {}


def test_cap_of_all(server, net):
    other = server("limits.bindings=3", "limits.contacts-per-aor=2")
    one, two = other.agent(net, other.user()), other.agent(net, other.user())
    assert register(one, "<sip:a@h>", "<sip:b@h>").code == 200
    assert register(one, "<sip:c@h>").code == 503
    assert register(two, "<sip:a@h>").code == 200
    refused = register(two, "<sip:b@h>")
    assert refused.code == 503 and refused.one("Retry-After")
    assert uris(one) == ["sip:a@h", "sip:b@h"] and uris(two) == ["sip:a@h"]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("instance", ["", INSTANCE])
def test_a_phone_does_not_lock_itself_out_by_its_dead_bindings(server, net, transport, instance):
    """A phone on the LAN has another port on each connection, and so another Contact; the old ones make way, the oldest first."""
    other = server("limits.contacts-per-aor=3")
    user = other.user()
    fixed = other.agent(net, user, "udp")
    assert register(fixed, f"<{here(fixed)}>").code == 200
    mine = []
    for _ in range(6):
        agent = other.agent(net, user, transport)
        assert register(agent, f"<{here(agent)}>;{instance}" if instance else f"<{here(agent)}>").code == 200
        mine = [*mine, here(agent)][-2 if transport == "tcp" else -1:]  # over TLS they end with their connection (test_moves.py)
        assert set(uris(fixed)) == {here(fixed), *mine}
        agent.peer.close()
        net.idle(0.1)


def test_only_what_is_dead_and_of_the_device_makes_way(server, net):
    """Not what has a connection, nor another device (by its instance, or its address), nor a phone on UDP."""
    other = server("limits.contacts-per-aor=3")
    user = other.user()
    held, lost = other.agent(net, user, "tcp"), other.agent(net, user, "tcp")
    assert register(held, f"<{here(held)}>").code == 200
    assert register(lost, f"<{here(lost)}>;{INSTANCE}", "<sip:far@192.0.2.99:5070;transport=tcp>").code == 200
    before = uris(held)
    lost.peer.close()
    net.idle(0.1)
    new = other.agent(net, user, "tcp")
    for contact in (f"<{here(new)}>;{INSTANCE[:-3]}7>\"", "<sip:a@192.0.2.98:5070;transport=tcp>"):
        refused = register(new, contact)
        assert refused.code == 503 and refused.one("Retry-After") and uris(held) == before, contact
    assert register(new, f"<{here(new)}>;{INSTANCE}").code == 200
    assert set(uris(held)) == {here(held), here(new), "sip:far@192.0.2.99:5070;transport=tcp"}


@pytest.mark.slow
def test_expiry(server, net):
    other = server("registrar.min-expires=1", "log.level=info")
    agent = other.agent(net, other.user())
    assert bound(register(agent, "<sip:a@h>;expires=1", "<sip:b@h>;expires=60")).keys() == {"sip:a@h", "sip:b@h"}
    time.sleep(1.1)
    assert uris(agent) == ["sip:b@h"]
    until(lambda: "event=unregistered" in other.process.log, 10, "the sweep")
    assert re.search(rf"event=registered aor={agent.aor} contact=sip:b@h expires=60 peer=127.0.0.1:\d+",
                     other.process.log)
    assert f"event=unregistered aor={agent.aor} contact=sip:a@h reason=expired" in other.process.log


@pytest.mark.parametrize("end", ["stop", "crash"])
def test_bindings_are_there_after_a_restart(server, net, end):
    other = server()
    user = other.user()
    phone, fixed = other.agent(net, user, "udp"), other.agent(net, user, "tcp")
    assert register(phone, f"<sip:a@10.0.0.1>;q=0.3;{INSTANCE}", Expires=600).code == 200
    assert register(fixed, f"<{here(fixed)}>;{INSTANCE};reg-id=1", Supported="path, outbound").code == 200
    for number in (10, 20, 30):
        made = request(phone, f"<sip:a@10.0.0.1>;q=0.3;{INSTANCE}", "<sip:gone@h>", Expires=700)
        assert phone.run(made.set("Call-ID", "one@phone").set("CSeq", f"{number} REGISTER"))[1].code == 200
    before = bound(register(phone, "<sip:gone@h>;expires=0"))
    assert phone.options().code == 200  # so the turn of the REGISTER is over, which writes it down
    getattr(other, end)()
    other.start()
    after = bound(register(other.agent(net, user)))
    assert after.keys() == before.keys() == {"sip:a@10.0.0.1", here(fixed)}
    for uri, rest in after.items():
        assert 0 <= int(before[uri].pop("expires")) - int(rest.pop("expires")) <= 15
        assert rest == before[uri]
    lines = [line for line in (other.directory / "store" / "bindings").read_text().splitlines() if "~" in line]
    assert lines and all(len(line) < 50 for line in lines)


def test_the_only_connection_closes(lab, net, user):
    """What is left is what can be reached without it. Nobody who came by TLS is called in the clear, unless he says so."""
    behind, direct, secure, says, udp = (lab.agent(net, user, transport) for transport in ("tcp", "tcp", "tls", "tls", "udp"))
    contacts = ["sip:behind@10.0.0.1", here(direct), here(secure), f"{here(says)};transport=tcp", "sip:udp@10.0.0.1"]
    for agent, contact in zip((behind, direct, secure, says, udp), contacts):
        assert register(agent, f"<{contact}>").code == 200
    assert uris(udp) == sorted(contacts)
    for agent in (behind, direct, secure, says):
        agent.peer.close()
    until(lambda: uris(udp) == sorted([contacts[1], *contacts[3:]]), 5, "the end of the bindings")


def test_a_user_is_removed(server, net):
    other = server()
    user, stays = other.user(), other.user()
    assert register(other.agent(net, user), "<sip:a@h>").code == 200
    assert register(other.agent(net, stays), "<sip:b@h>").code == 200
    plain, found = other.admin("status").stdout, json.loads(other.admin("status", "--json").stdout)
    assert "registrations 2\n" in plain and f"  {user.aor}  sip:a@h  " in plain
    assert found["registrations"] == 2
    assert {(one["aor"], one["contact"]) for one in found["contacts"]} == {(user.aor, "sip:a@h"),
                                                                          (stays.aor, "sip:b@h")}
    assert all(3590 <= one["expires_in"] <= 3600 for one in found["contacts"])
    assert other.admin("user", "del", user.aor).returncode == 0
    until(lambda: "registrations 1\n" in other.admin("status").stdout, 5, "the end of the binding")
    assert user.aor not in other.admin("status").stdout


# --- RFC 3327, RFC 5626, RFC 5630 ---

def through(agent, made):
    """The answer to a REGISTER that a proxy has passed on."""
    def passed_on(one):
        return agent.exchange(one.add("Via", f"SIP/2.0/UDP 192.0.2.99;branch={token('z9hG4bK')}"))

    return passed_on(agent.authorize(made, agent.pick(passed_on(made.copy()))))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_3327_path(lab, net, user, transport):
    agent = lab.agent(net, user, transport)
    refused = register(agent, "<sip:a@h>", Path="<sip:p1;lr>")
    assert refused.code == 420 and refused.values("Unsupported") == ["path"]
    made = request(agent, "<sip:a@h>", Path="<sip:p3;lr>, <sip:p2;lr>", Supported="path")
    answer = through(agent, made.add("Path", "<sip:p1;lr>"))
    assert bound(answer).keys() == {"sip:a@h"}
    assert answer.values("Path") == ["<sip:p3;lr>", "<sip:p2;lr>", "<sip:p1;lr>"]
    assert register(agent, "<sip:a@h>", Path="sip:p1;lr", Require="path").code == 400


@pytest.mark.parametrize("kept", ['<sip:a@h>;x="a%sb"', "<sip:a@h>;x%s=%sb", "<sip:a@h>%s;%sx=b", '"A%sb" <sip:a@h>;x=b', '<sip:a@h>;x="%s"'])
def test_what_is_kept_of_a_contact_is_one_line(lab, net, user, kept):
    """It comes back in every 200, on other connections and later. Of the folds in it one blank is left each."""
    agent, other = lab.agent(net, user, "udp"), lab.agent(net, user, "tcp")
    for fold in ("\r\n ", "\r\n\t\r\n ", " \r\n  "):
        assert register(agent, kept.replace("%s", fold)).code == 200
        answer = register(other)
        assert answer.code == 200 and not re.search(rb"\r\n[ \t]", answer.raw), answer.raw
        assert set(bound(answer)["sip:a@h"]) == {"x", "expires"}
    for control in ("\\\x01", "\\\x7f"):
        refused = register(agent, f'<sip:b@h>;x="{control}"')
        assert refused.code == 400 and set(bound(register(other))) == {"sip:a@h"}


def test_8_2_2_3_require(lab, net, user):
    agent = lab.agent(net, user)
    refused = register(agent, "<sip:a@h>", Require="path, gruu, outbound, x")
    assert refused.code == 420 and refused.values("Unsupported") == ["gruu", "x"]
    assert register(agent, "<sip:a@h>", Require="path, outbound").code == 200


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_5626_6_outbound(lab, net, user, transport):
    first, second = lab.agent(net, user, transport), lab.agent(net, user, transport)
    for number, agent in enumerate((first, second), 1):
        answer = register(agent, f"<{here(agent)}>;reg-id={number};{INSTANCE}", Supported="path, outbound")
        assert answer.values("Require") == ["outbound"]
        assert answer.get("Flow-Timer") == (None if transport == "udp" else "120")
    found = bound(answer)
    assert found.keys() == {here(first), here(second)}
    assert found[here(first)]["reg-id"] == "1" and f"+sip.instance={found[here(first)]['+sip.instance']}" == INSTANCE
    # The phone comes again from elsewhere: the same instance and reg-id, another Contact.
    again = lab.agent(net, user, transport)
    answer = register(again, f"<{here(again)}>;reg-id=1;{INSTANCE}", Supported="path, outbound")
    assert bound(answer).keys() == {here(again), here(second)}
    if transport != "udp":
        second.peer.close()
        until(lambda: uris(again) == [here(again)], 5, "the end of the flow")


def test_5626_6_first_hop_without_outbound(lab, net, user):
    agent = lab.agent(net, user)
    contact = f"<sip:a@10.0.0.1>;reg-id=1;{INSTANCE}"
    refused = through(agent, request(agent, contact, Supported="path, outbound"))
    assert (refused.code, refused.reason) == (439, "First Hop Lacks Outbound Support")
    answer = through(agent, request(agent, contact, Supported="path, outbound", Path="<sip:t@p1;lr;ob>"))
    assert answer.code == 200 and answer.values("Require") == ["outbound"] and not answer.all("Flow-Timer")
    answer = through(agent, request(agent, f"<sip:b@10.0.0.1>;reg-id=1;{INSTANCE}"))
    assert answer.code == 200 and not answer.all("Require")
    assert register(agent, contact, "<sip:b@h>", Supported="path, outbound").code == 400


def test_5630_5_2_sips(lab, net, user):
    agent = lab.agent(net, user)
    assert register(agent, "<sips:a@h>").code == 400
    assert register(agent, "<sips:a@h>", "<sip:b@h>", uri="sips:example.com").code == 400
    assert register(agent, "<sip:a@h>").code == 200
    assert bound(register(agent, "<sips:a@h>", uri="sips:example.com")).keys() == {"sips:a@h"}
    made = request(agent).set("To", f"<{user.sips}>").set("From", f"<{user.sips}>;tag=1")
    assert bound(agent.run(made)[1]).keys() == {"sips:a@h"}


# --- RFC 4475 ---

def torture(agent, name):
    """The message of RFC 4475, but for Via, which says where the answer goes, and an own Call-ID each time."""
    raw = (VECTORS / f"{name}.dat").read_bytes().decode("latin-1")
    start, *lines = raw.partition("\r\n\r\n")[0].split("\r\n")
    method, uri, _ = start.split(" ")
    made = Request(method, uri, [re.split(r"\s*:\s*", line, maxsplit=1) for line in lines if line[0] not in "lL"])
    made.set("Via", agent.peer.via()).set("Call-ID", made.get("Call-ID") + token())
    return agent.run(made)[1]


@pytest.fixture(scope="module")
def users(lab):
    return {name: lab.user(name) for name in ("null-%00-null", "watson", "user", "j.user")}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_4475_REGISTER(lab, net, users, transport):
    def agent(name):
        made = lab.agent(net, users[name], transport)
        register(made, "*", Expires=0)
        return made

    assert bound(torture(agent("null-%00-null"), "escnull")).keys() == {"sip:%00@host5.example.com",
                                                                       "sip:%00%00@host5.example.com"}
    watson = agent("watson")
    first = bound(torture(watson, "cparam01"))
    assert first == {"sip:+19725552222@gw1.example.net": {"unknownparam": "", "expires": "3600"}}
    assert "sip:+19725552222@gw1.example.net;unknownparam" in bound(torture(watson, "cparam02"))
    user = agent("user")
    assert bound(torture(user, "regescrt")).keys() == {"sip:user@example.com?Route=%3Csip:sip.example.com%3E"}
    assert torture(user, "regbadct").code == 400
    assert torture(user, "unksm2").code == 400
    assert len(uris(user)) == 1
    assert torture(agent("j.user"), "regaut01").code == 200
    stranger = Agent(lab.peer(net, transport), "j.user")
    assert torture(stranger, "regaut01").code == 401


def test_options_and_others_tell_of_REGISTER(lab, net):
    agent = lab.agent(net, transport="tcp")
    assert "REGISTER" in agent.options().values("Allow")


@pytest.mark.parametrize("wrong", [None, "SHA-256", "MD5"])
def test_22_3_an_answer_to_each_challenge(server, net, wrong):
    """Of two answers the better one counts; the other may be wrong, as it may be left out."""
    other = server("digest.sha-256=on")
    agent = other.agent(net, other.user(), "udp")
    made = request(agent, f"<{here(agent)}>")
    refused = agent.exchange(made)
    answers = [digest.answer(one, agent.user, "wrong" if one["algorithm"] == wrong else agent.password, "REGISTER", made.uri)
               for one in digest.challenges(refused)]
    again = made.copy().set("CSeq", "9 REGISTER").set("Via", agent.peer.via())
    for answer in answers:
        again.add("Authorization", answer)
    assert agent.exchange(again).code == (401 if wrong == "SHA-256" else 200)
    twice = made.copy().set("CSeq", "11 REGISTER").set("Via", agent.peer.via())
    for answer in answers[:1] * 2:
        twice.add("Authorization", answer)
    assert agent.exchange(twice).code == 400


@pytest.mark.parametrize("uri", ["sip:example.com:5060;transport=udp", "sip:127.0.0.1", "sip:alice@example.com"])
def test_22_4_6_an_answer_for_another_request_is_asked_for_again(lab, net, user, uri):
    """A phone that follows a 302 brings the answer that it has."""
    agent = lab.agent(net, user, "udp")
    made = request(agent, f"<{here(agent)}>")
    refused = agent.exchange(agent.authorize(made, agent.pick(agent.exchange(made)), uri=uri))
    assert refused.code == 401
    assert agent.exchange(agent.authorize(made, agent.pick(refused)).set("CSeq", "9 REGISTER")).code == 200


@pytest.mark.parametrize("old_first", [True, False])
@pytest.mark.parametrize("outbound", [";reg-id=1", ""])
def test_5626_6_the_old_contact_and_the_new_one(lab, net, user, outbound, old_first):
    """After an address change, in one REGISTER and in any order (pjsua): what ends is looked at first."""
    agent = lab.agent(net, user, "tcp")
    old, new = (f"<sip:a@10.0.0.{n};transport=tcp>{outbound};{INSTANCE}" for n in (1, 2))
    assert register(agent, old, Supported="path, outbound").code == 200
    again = lab.agent(net, user, "tcp")
    pair = [f"{old};expires=0", f"{new};expires=300"]
    answer = register(again, *(pair if old_first else reversed(pair)), Supported="path, outbound")
    assert bound(answer).keys() == {"sip:a@10.0.0.2;transport=tcp"}
    assert register(again, f"{old};expires=300", f"{new};expires=300", Supported="path, outbound").code == (400 if outbound else 200)
    both = register(again, f"{old};expires=0", f"{new};expires=0", Supported="path, outbound")
    assert bound(both) == {}
