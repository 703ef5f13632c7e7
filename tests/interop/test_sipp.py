"""SIPp as both ends of everything: registrations, calls through the proxy, forks, lost packets."""

import pytest
from others.relay import LossyRelay
from others.sipp import Sipp, available, listening, recv, reply, request, send
from peer.lab import running, until

pytestmark = available

EVE = "sip:eve@other.example"
CALLEE = [recv(request="INVITE", rrs="true"), reply(180, "Ringing"), reply(200, "OK", retrans="500"),
          recv(request="ACK", crlf="true"), recv(request="BYE"), reply(200, "OK", tag=""),
          '<timewait milliseconds="1000"/>']
BUSY = [recv(request="INVITE"), reply(486, "Busy Here", retrans="500"), recv(request="ACK"),
        '<timewait milliseconds="1000"/>']


def caller(to):
    in_dialog = dict(uri="[next_url]", user=EVE, to=to, extra="[routes]\n", tag="[peer_tag_param]")
    return [request("INVITE", to, EVE, to, 1, retrans="500"), recv(response="100", optional="true"),
            recv(response="180", optional="true"), recv(response="200", rrs="true"),
            request("ACK", cseq=1, **in_dialog), '<pause milliseconds="50"/>',
            request("BYE", cseq=2, retrans="500", **in_dialog), recv(response="200")]


def caller_is_told(to, code):
    ack = send(f"ACK {to} SIP/2.0\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\nCSeq: 1 ACK\n"
               "Max-Forwards: 70\nContent-Length: 0\n\n")
    return [request("INVITE", to, EVE, to, 1, retrans="500"), recv(response="100", optional="true"),
            recv(response="180", optional="true"), recv(response=str(code)), ack]


@pytest.fixture(scope="session")
def lab(labs):
    """SIPp 3.6 reads the first challenge only, and knows MD5."""
    yield from running(labs)


@pytest.fixture
def sipp(lab, tmp_path):
    """Starts SIPp against the lab: sipp(name, steps, arguments...)."""
    made = []

    def start(name, steps, *arguments, **options):
        made.append(Sipp(tmp_path, name, steps, lab.port, *arguments, **options))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def bind(lab, net, user, contact):
    """Registers the Contact for the user."""
    agent = lab.agent(net, user, "udp")
    agent.algorithm = "MD5"
    made = agent.new("REGISTER", "sip:example.com", {"To": f"<{user.aor}>"})
    made.add("Contact", contact)
    assert agent.run(made)[1].code == 200


def phone(lab, net, user, sipp, name, steps, *arguments, parameters="", **options):
    """A SIPp that answers, registered for the user."""
    started = sipp(name, steps, *arguments, **options)
    until(lambda: listening(started), 10, "the port of SIPp")
    transport = ";transport=tcp" if options.get("transport") == "t1" else ""
    bind(lab, net, user, f"<sip:{name}@127.0.0.1:{started.port}{transport}>{parameters}")
    return started


@pytest.mark.parametrize("transport", ["u1", "t1", "tn"])
def test_register_with_digest(lab, sipp, transport):
    users = [lab.user() for _ in range(20)]
    rows = [(user.name, f"[authentication username={user.name} password={user.password}]") for user in users]
    register = dict(uri="sip:example.com", user="sip:[field0]@example.com", to="sip:[field0]@example.com")
    steps = [request("REGISTER", cseq=1, retrans="500", **register), recv(response="401", auth="true"),
             request("REGISTER", cseq=2, extra="[field1]\n", retrans="500", **register), recv(response="200")]
    sipp("register", steps, "-auth_uri", "example.com", "-m", 200, "-r", 100, "-l", 20, transport=transport, users=rows).finish()


@pytest.mark.slow
@pytest.mark.parametrize("calls", ["u1", "t1"])
@pytest.mark.parametrize("answers", ["u1", "t1"])
def test_calls_with_record_route(lab, net, user, sipp, calls, answers):
    callee = phone(lab, net, user, sipp, "callee", CALLEE, "-m", 100, transport=answers)
    sipp("caller", caller(user.aor), "-m", 100, "-r", 50, "-l", 50, transport=calls).finish()
    callee.finish()


@pytest.mark.slow
def test_calls_with_lost_packets(lab, net, user, sipp):
    """Of what goes between the proxy and the callee one packet in ten is lost, both ways; every call comes to its end.

    The callee goes on until it is stopped, since a late copy of an INVITE is a call to it, and answers copies for as long as
    they may come (Timer J). Where the ACK was lost the BYE may be there first."""
    patient = [step.replace('request="ACK"', 'request="ACK" optional="true"') for step in CALLEE[:-1]]
    patient.append('<timewait milliseconds="33000"/>')
    callee = sipp("callee", patient)
    until(lambda: listening(callee), 10, "the port of SIPp")
    relay = LossyRelay(callee.port, 0.1, seed=3261)
    try:
        bind(lab, net, user, f"<sip:callee@127.0.0.1:{relay.port}>")
        sipp("caller", caller(user.aor), "-m", 40, "-r", 20, "-l", 40).finish()
    finally:
        relay.close()
    assert relay.lost > 10, f"{relay.lost} lost of {relay.lost + relay.passed}"


@pytest.mark.slow
def test_fork_where_one_is_busy(lab, net, user, sipp):
    phone(lab, net, user, sipp, "busy", BUSY, "-m", 50)
    callee = phone(lab, net, user, sipp, "callee", CALLEE, "-m", 50)
    sipp("caller", caller(user.aor), "-m", 50, "-r", 25, "-l", 50).finish()
    callee.finish()


@pytest.mark.slow
def test_fork_in_order_of_q(lab, net, user, sipp):
    phone(lab, net, user, sipp, "busy", BUSY, "-m", 50, parameters=";q=0.9")
    callee = phone(lab, net, user, sipp, "callee", CALLEE, "-m", 50, parameters=";q=0.1")
    sipp("caller", caller(user.aor), "-m", 50, "-r", 25, "-l", 50).finish()
    callee.finish()


def test_everybody_is_busy(lab, net, user, sipp):
    for name in ("busy", "busier"):
        phone(lab, net, user, sipp, name, BUSY, "-m", 50)
    sipp("caller", caller_is_told(user.aor, 486), "-m", 50, "-r", 25, "-l", 50).finish()


def test_nobody_is_there(lab, user, sipp):
    sipp("caller", caller_is_told(user.aor, 480), "-m", 50, "-r", 50, "-l", 50).finish()
