"""Kamailio's module auth_identity as the other end of RFC 4474: it verifies what vouch signed, and vouch what it signed."""

import glob
import re

import pytest
from others.program import Program, needs, serves
from others.relay import ChangingRelay
from peer import certs
from peer.abroad import ASSERTED, Abroad, Border, both_authorities
from peer.lab import free_ports, until
from peer.phone import Phone
from peer.sipclient import Agent, UdpPeer, addr_spec

MODULE = glob.glob("/usr/lib/*/kamailio/modules/auth_identity.so") + glob.glob("/usr/lib*/kamailio/modules/auth_identity.so")
pytestmark = [needs("kamailio", "kamailio"),
              pytest.mark.skipif(not MODULE, reason="the module auth_identity of Kamailio is not found (kamailio-tls-modules)")]

CONFIGURATION = """#!KAMAILIO
debug=2
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
alias="example.net"
dns=no
rev_dns=no
tcp_connection_lifetime=600
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "auth_identity.so"
modparam("auth_identity", "privatekey_path", "{key}")
modparam("auth_identity", "certificate_path", "{certificate}")
modparam("auth_identity", "certificate_url", "{url}")
modparam("auth_identity", "cainfo_path", "{ca}")

request_route {{
	xlog("L_WARN", "came $rm $ru from $fu by $proto $si:$sp\\n");
	if (is_method("ACK"))
		exit;
	if ($fd == "example.net")
		route(SIGN);
	else
		route(VERIFY);
}}

# The next hop is set first: the module signs what it would send there.
route[SIGN] {{
	$du = "sip:127.0.0.1:{next};transport=tcp";
	if (!auth_date_proc()) {{
		sl_send_reply("403", "Stale Date");
		exit;
	}}
	if (!auth_add_identity()) {{
		sl_send_reply("480", "Cannot Sign");
		exit;
	}}
	if (!t_relay())
		sl_reply_error();
	exit;
}}

route[VERIFY] {{
	if (!is_present_hf("Identity"))
		sl_send_reply("428", "Use Identity Header");
	else if (!vrfy_get_certificate())
		sl_send_reply("436", "Bad Identity-Info");
	else if (!vrfy_check_certificate())
		sl_send_reply("437", "Unsupported Certificate");
	else if (!vrfy_check_msgvalidity())
		sl_send_reply("438", "Invalid Identity Header");
	else if (!vrfy_check_date())
		sl_send_reply("403", "Stale Date");
	else if (!vrfy_check_callid())
		sl_send_reply("403", "Replayed Request");
	else
		sl_send_reply("200", "Verified");
	exit;
}}
"""


class Judge(Program):
    """Kamailio as example.net: it answers what others sent by what its verifier says, and signs what its own users send
    to the port `next`."""

    def __init__(self, folder, abroad, ca, following):
        self.port = free_ports(4)
        names, key = ("sip:example.net", "DNS:example.net"), {"key": certs.rsa_key(54), "cn": "example.net"}
        self.certificate = abroad.domain.files("net", *names, **key)
        self.url = abroad.publish(*names, **key)
        path = folder / "kamailio.cfg"
        path.write_text(CONFIGURATION.format(port=self.port, key=self.certificate[1], certificate=self.certificate[0],
                                             url=self.url, ca=ca, next=following))
        super().__init__(folder, "kamailio", "kamailio", "-f", path, "-DD", "-E", "-m", 64, "-M", 8, "-Y", folder, "-w", folder)


class Setting:
    """vouch, which demands right signatures, Kamailio, and a relay on each way."""

    def __init__(self, labs, domain, folder, web):
        self.abroad, ca = Abroad(domain), both_authorities(labs, domain, folder)
        options = [ca, "identity.verify-inbound=reject", "identity.require=example.net"]
        if web == "http":
            port = free_ports(1)
            options += [f"server.listen-http=127.0.0.1:{port}", f"identity.url=http://127.0.0.1:{port}"]
        self.com = labs.server(*options)
        self.inward = ChangingRelay(self.com.port)
        self.kamailio = Judge(folder, self.abroad, ca.partition("=")[2], self.inward.port)
        self.outward = ChangingRelay(self.kamailio.port)
        self.com.options.append(f"route.example.net=tcp:127.0.0.1:{self.outward.port}")
        self.com.start()
        until(lambda: serves(self.kamailio.port) or not self.kamailio.running(), 10, "the port of Kamailio")
        assert self.kamailio.running(), self.kamailio.said()[-3000:]

    def stop(self):
        try:
            self.com.stop()
        finally:
            self.kamailio.stop()
            self.abroad.close()
            self.inward.close()
            self.outward.close()


@pytest.fixture(scope="module", params=["https", "http"])
def setting(request, labs, domain, tmp_path_factory):
    made = Setting(labs, domain, tmp_path_factory.mktemp("i"), request.param)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def honest(request):
    """Every relay changes nothing at first."""
    made = request.getfixturevalue("setting") if "setting" in request.fixturenames else None
    if made:
        for relay in (made.inward, made.outward):
            relay.change = None
            relay.answers.queue.clear()
    yield


SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
# Kamailio takes a body that begins with NUL for none (its own fault), so none of these does.
CONTENTS = [("MESSAGE", b"hello", {}), ("MESSAGE", b"", {}), ("MESSAGE", b"a|b\0c|\r\n\r\n" + bytes(range(256)), {}),
            ("INVITE", SDP, {"Contact": "<sip:me@127.0.0.1:9;x=y>;expires=5", "Content-Type": "application/sdp"}),
            ("SUBSCRIBE", b"", {"Contact": "sip:me@127.0.0.1:9;x=y", "Event": "presence"}),
            ("OPTIONS", b"x" * 5000, {"CSeq": "17 OPTIONS"}), ("MESSAGE", b"x", {"Subject": "unsigned"})]
kinds = pytest.mark.parametrize("method, body, headers", CONTENTS, ids=["text", "empty", "binary", "INVITE", "SUBSCRIBE",
                                                                        "long", "subject"])
# What is changed on the way: the field, and the octets in it that are replaced.
CHANGES = {
    "From": (rb"(\r\nFrom:[^\r]*sip:[^@]*)\w@", rb"\1_@"),
    "To": (rb"(\r\nTo:[^\r]*sip:)\w", rb"\1_"),
    "Call-ID": (rb"(\r\nCall-ID: )\w", rb"\1_"),
    "CSeq": (rb"(\r\nCSeq: )\d+", rb"\g<1>9"),
    "Date": (rb"(\r\nDate: [^\r]*:)\d\d( GMT)", lambda m: m[1] + (b"01" if b":00 GMT" in m[0] else b"00") + m[2]),
    "Contact": (rb"(\r\nContact: [^\r]*sip:)me", rb"\1ME"),
    "body": (rb"m=audio 4000", rb"m=audio 4001"),
    "last octet": (rb"AVP 0\r\n$", rb"AVP 0\r\r"),
    "Identity": (rb'(\r\nIdentity: "[^"]{40})[A-Za-z0-9+/]{4}', rb"\1AAAA"),
}


def changing(name):
    pattern, by = CHANGES[name]

    def change(raw):
        changed, count = re.subn(pattern, by, raw, count=1)
        assert count == 1 and changed != raw, f"nothing to change for {name}"
        return changed
    return change


class Outward:
    """A user of vouch sends to Kamailio, which says what it thinks."""

    def __init__(self, setting, net, transport="tcp"):
        self.setting = setting
        self.alice = Phone(setting.com.peer(net, transport), setting.com.user()).register()

    def send(self, method, body, headers):
        """Sends a request, and the answer to the challenge of vouch."""
        return self.alice.prove_first(self.alice.agent.new(method, "sip:bob@example.net", headers, body))

    def ask(self, method, body, headers):
        """The answer of Kamailio's."""
        again = self.send(method, body, headers)
        return self.alice.net.wait(lambda: self.alice.find(again, lambda m: m.code and m.code >= 200), 10, "Kamailio's answer")


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@kinds
def test_AUT_10_kamailio_verifies_what_vouch_signed(setting, net, transport, method, body, headers):
    answer = Outward(setting, net, transport).ask(method, body, headers)
    assert (answer.code, answer.reason) == (200, "Verified"), answer.start + setting.kamailio.said()[-2000:]


@pytest.mark.parametrize("name", CHANGES)
def test_AUT_10_kamailio_refuses_what_was_changed(setting, net, name):
    one = Outward(setting, net)
    method, body, headers = CONTENTS[3]
    assert one.ask(method, body, headers).code == 200
    assert setting.outward.answers.get(timeout=5).code == 200
    setting.outward.change = changing(name)
    one.send(method, body, headers)
    answer = setting.outward.answers.get(timeout=10)  # vouch need not take an answer with another Call-ID or CSeq
    assert (answer.code, answer.reason) == (438, "Invalid Identity Header"), answer.start
    setting.outward.change = None
    assert one.ask(method, body, headers).code == 200


class Inward:
    """A user of Kamailio's domain sends to a user of vouch."""

    def __init__(self, setting, net):
        self.setting, self.net = setting, net
        self.user = setting.com.user()
        self.phone = Phone(setting.com.peer(net, "tcp"), self.user).register()
        self.phone.peer.answer = 200
        self.bob = Agent(UdpPeer(net, ("127.0.0.1", setting.kamailio.port)), "bob", "example.net")
        self.bob.peer.behind_proxy = True

    def ask(self, method, body, headers):
        """(the final answer, what came to the phone)"""
        request = self.bob.new(method, self.user.aor, headers, body)
        self.bob.send(request)
        answer = self.bob.final(request)
        came = [m for m in self.phone.peer.inbox if m.method == method]
        self.phone.peer.inbox.clear()
        return answer, came


@kinds
def test_VER_07_VER_16_vouch_verifies_what_kamailio_signed(setting, net, method, body, headers):
    one = Inward(setting, net)
    answer, came = one.ask(method, body, headers)
    assert answer.code == 200, answer.start + setting.kamailio.said()[-2000:]
    assert [addr_spec(value)[0] for value in came[0].all(ASSERTED)] == ["sip:bob@example.net"]
    assert came[0].body == body and len(came[0].all("Identity")) == len(came[0].all("Identity-Info")) == 1


@pytest.mark.parametrize("name", CHANGES)
def test_VER_07_vouch_refuses_what_was_changed(setting, net, name):
    one = Inward(setting, net)
    method, body, headers = CONTENTS[3]
    assert one.ask(method, body, headers)[0].code == 200
    assert setting.inward.answers.get(timeout=5).code == 200
    setting.inward.change = changing(name)
    one.bob.send(one.bob.new(method, one.user.aor, headers, body))
    answer = setting.inward.answers.get(timeout=10)
    assert (answer.code, answer.reason) == (438, "Invalid Identity Header"), answer.start
    assert not [m for m in one.phone.peer.inbox if m.method]
    setting.inward.change = None
    assert one.ask(method, body, headers)[0].code == 200


def test_VER_01_vouch_demands_what_kamailio_would_add(setting, net):
    """Past Kamailio, without a signature."""
    border = Border(setting.com, net, setting.abroad)
    border.refused(border.unsigned(From="<sip:bob@example.net>;tag=1"), 428)


def test_VER_10_both_know_a_replay(setting, net):
    """What the relay sends twice, with a new branch, is refused the second time by either."""
    one = Outward(setting, net)
    assert one.ask("MESSAGE", b"hello", {}).code == 200
    assert setting.outward.replay() == 403
    two = Inward(setting, net)
    assert two.ask("MESSAGE", b"hello", {})[0].code == 200
    assert setting.inward.replay(tag=b"another") == 403
    assert setting.outward.replay() == 403
