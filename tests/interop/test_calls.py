"""Calls and messages between phones of all makes, over UDP, TCP and TLS, at a server with its defaults: baresip, linphonec,
Twinkle, and a phone of the library sofia-sip.

Twinkle has no TLS. sofia-sip makes all of its URIs sips URIs there, unless it is told its Contact. linphonec shows a
certificate of the domain on TLS: a phone without one is in test_linphone.py."""

import itertools

import pytest
from others.phones import MAKES, WAYS, Phones, able, case
from peer.lab import running, until
from peer.phone import registered

PAIRS = [case(*pair, way=way) for way in WAYS for pair in itertools.product(MAKES, repeat=2)
         if all(able(make, way) for make in pair)]
pairs = pytest.mark.parametrize("way, makes", PAIRS)
alone = pytest.mark.parametrize("way, makes", [case(make, way=way) for way in WAYS for make in MAKES if able(make, way)])


@pytest.fixture(scope="module")
def lab(labs):
    """It says what is done for users, as a lab does."""
    yield from running(labs, "log.level=info")


@pytest.fixture(scope="module")
def phones(lab, tmp_path_factory):
    made = Phones(lab, tmp_path_factory.mktemp("phones"))
    yield made
    made.clear()


@pytest.fixture
def told(lab):
    """Waits until the server has told that, in one line since the test began."""
    begin = len(lab.process.log)

    def tells(*words):
        until(lambda: any(all(word in line for word in words) for line in lab.process.log[begin:].splitlines()), 5,
              f"{words} in the log")

    return tells


def set_up(one, other):
    one.calls(other.aor)
    other.rings(one.aor)
    one.hears_it_ring()


def talk(one, other):
    set_up(one, other)
    other.answers()
    one.talks()
    other.talks()


@alone
def test_register(lab, net, phones, way, makes):
    """It registers, and takes its Contact back when it ends."""
    with phones.line(way, makes) as (phone,):
        assert len(registered(lab, net, phone.user, "MD5")) == 1
        phones.forget(phone)
        phone.quits()
        until(lambda: not phone.running(), 10, "the end of the phone")
        assert registered(lab, net, phone.user, "MD5") == []


@pairs
def test_a_call_that_both_hold(phones, told, way, makes):
    """RFC 3264 8.4: re-INVITE with a=sendonly and back, of the caller and of the callee, who ends the call."""
    with phones.line(way, makes) as (one, other):
        talk(one, other)
        told("event=call_begun", f"from={one.aor}", f"to={other.aor}")
        for holder, held in ((one, other), (other, one)):
            holder.holds()
            held.is_held()
            holder.resumes()
            held.is_resumed()
        other.ends_it()
        one.is_left()
        told("event=call_ended", f"from={other.aor}", f"to={one.aor}")


@pairs
def test_the_caller_cancels(phones, told, way, makes):
    with phones.line(way, makes) as (one, other):
        set_up(one, other)
        one.cancels()
        other.is_left()
        told("method=INVITE status=487", f"uri={other.aor}")


@pairs
def test_the_callee_is_busy(phones, told, way, makes):
    """486, or 603 of linphonec."""
    with phones.line(way, makes) as (one, other):
        set_up(one, other)
        other.refuses()
        one.is_refused(other.refusal)
        told(f"method=INVITE status={other.refusal}", f"uri={other.aor}")


@pairs
def test_a_message(phones, way, makes):
    with phones.line(way, makes) as (one, other):
        one.writes(other.aor, f"from {makes[0]}")
        other.reads(one.aor, f"from {makes[0]}")
