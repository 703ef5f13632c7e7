"""Runs the Twinkle of the console. It finds no sound card but ALSA's null device, which takes and gives octets as fast as it is
asked: calls should be short.

Twinkle 1.10.2 seeds its random numbers with the second in which it starts. Two of one second have the same tags and Call-IDs,
and the REGISTER of the second one is a merged request (482, RFC 3261 8.2.2.2)."""

import contextlib
import os
import time

from others.program import Console
from peer.lab import free_ports, until

PROFILE = """user_name={name}
user_domain=example.com
auth_name={name}
auth_pass={password}
outbound_proxy=127.0.0.1:{server}
all_requests_to_proxy=yes
sip_transport={transport}
"""
SYSTEM = """dev_ringtone=alsa:null
dev_speaker=alsa:null
dev_mic=alsa:null
validate_audio_dev=no
sip_port={sip}
rtp_port={rtp}
"""


class Twinkle(Console):
    """The phone of a user of the server."""

    second = 0  # in which the last one was started

    def __init__(self, folder, server, user, transport, password=None):
        self.user, home = user, folder / user.name
        own, sip, rtp = home / ".twinkle", free_ports(1), free_ports(4)
        own.mkdir(parents=True)
        self.trace = own / "twinkle.log"
        (own / "profile.cfg").write_text(PROFILE.format(
            name=user.name, password=password or user.password, server=server.port, transport=transport))
        (own / "twinkle.sys").write_text(SYSTEM.format(sip=sip, rtp=rtp))
        until(lambda: int(time.time()) != Twinkle.second, 5, "another second")
        Twinkle.second = int(time.time())
        super().__init__(home, user.name, "twinkle-console", own / "profile.cfg", env={**os.environ, "HOME": str(home)})

    # What every phone can, see others.phones.

    refusal = 486

    def registers(self):
        self.hears("registration succeeded")

    def calls(self, aor):
        """Just after a call its line is not free, and then it does nothing and says nothing: the command is given again.
        Its log may be late with the INVITEs of the call before."""
        self.skips()
        for _ in range(5):
            self.command(f"call {aor}")
            with contextlib.suppress(AssertionError):
                self.passed(f"\nINVITE {aor} ", timeout=1)
                return
        raise AssertionError(f"{self.name} does not call: {self.said()[-2000:]}")

    def rings(self, aor):
        self.hears("incoming call", aor)

    def hears_it_ring(self):
        self.hears("received 180 ")

    def answers(self):
        self.command("answer")

    def talks(self):
        """As the callee when the ACK has come."""
        until(lambda: self.heard("call established.") or self.heard("far end answered call."), 8, "the call")
        self.skips()

    def reinvites(self, command):
        """While a re-INVITE of the other end is not over it does nothing and says nothing: the command is given again."""
        for _ in range(3):
            self.command(command)
            with contextlib.suppress(AssertionError):
                self.hears("re-INVITE successful.", timeout=3)
                return
        raise AssertionError(f"{self.name} does not {command}: {self.said()[-2000:]}")

    def holds(self):
        self.reinvites("hold")
        self.passed("\nINVITE ", "\nSIP/2.0 200 ", "\nACK ")

    def resumes(self):
        self.reinvites("retrieve")
        assert "a=recvonly" not in self.passed("\nINVITE ", "\nSIP/2.0 200 ", "\nACK ")

    def is_held(self, offer="sendonly", answer="recvonly"):
        """Its log cuts long messages off, and so it is the answer that tells."""
        self.passed("\nINVITE ", "\nSIP/2.0 200 ", f"a={answer}", "\nACK ")

    def is_resumed(self):
        assert "a=recvonly" not in self.passed("\nINVITE ", "\nSIP/2.0 200 ", "\nACK ")

    def ends_it(self):
        self.command("bye")
        self.hears("call ended.")

    def refuses(self):
        self.command("reject")
        self.hears("call rejected.")

    def cancels(self):
        self.skips()
        self.ends_it()
        self.passed("\nCANCEL ", "\nSIP/2.0 487 ", "\nACK ")

    def is_left(self):
        """Before it has answered, and afterwards."""
        until(lambda: self.heard("far end cancelled call.") or self.heard("far end ended call."), 8, "the end of the call")

    def is_refused(self, code):
        self.hears("call failed.", f"{code} ")

    def writes(self, aor, text):
        self.skips()
        self.command(f'message {aor} "{text}"')
        self.passed("\nMESSAGE ", "\nSIP/2.0 200 ")

    def reads(self, aor, text):
        self.hears("Received message", aor, text)

    def quits(self):
        self.command("quit")
