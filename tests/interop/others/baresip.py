"""Runs baresip without a sound device; its module ctrl_tcp takes commands and says what happens."""

import json
import pathlib
import socket
import threading
import wave

from others.program import Program, address, here
from peer.lab import free_ports, until

MODULES = [path for path in ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules",
                             "/usr/lib/x86_64-linux-gnu/baresip/modules") if pathlib.Path(path).is_dir()]
CONFIGURATION = """sip_listen {address}:{sip}
sip_cafile {ca}
net_interface {address}
audio_source aufile,{silence}
audio_player aufile,{folder}/played.wav
audio_alert aufile,{folder}/alert.wav
module_path {modules}
module g711.so
module aufile.so
module_tmp account.so
module_app menu.so
module_app contact.so
module_app ctrl_tcp.so
ctrl_tcp_listen {address}:{control}
"""
ACCOUNT = '<{aor};transport={transport}>;auth_pass={password};regint=600;answermode=manual;' \
          'outbound="sip:{proxy}:{port};transport={transport}"\n'


def silence(path, seconds):
    """A call ends with it."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(16000 * seconds))
    return path


class Baresip(Program):
    """The phone of a user of the server; `peers` are the AORs to which it can send messages. `at` is its host, and `proxy` the
    server's address there. A call has so many `seconds`."""

    def __init__(self, folder, server, user, transport, peers=(), password=None, at=None, proxy="127.0.0.1",
                 seconds=30):
        self.user, self.peers, home = user, peers, folder / user.name
        home.mkdir()
        first = free_ports(4)  # SIP, SIP over TLS, control
        (home / "config").write_text(CONFIGURATION.format(
            address=address(at), sip=first, ca=server.ca, silence=silence(home / "silence.wav", seconds), folder=home,
            modules=MODULES[0], control=first + 2))
        (home / "accounts").write_text(ACCOUNT.format(
            aor=user.aor, transport=transport, password=password or user.password, proxy=proxy,
            port=server.port + (transport == "tls")))
        (home / "contacts").write_text("".join(f'"{aor}" <{aor}>\n' for aor in peers))
        super().__init__(home, user.name, "baresip", "-f", home, "-s", "-v", at=at)
        self.events, self.replies, self.at = [], [], 0
        try:
            self.says("baresip is ready.")
            with here(at):
                self.control = socket.create_connection((address(at), first + 2), timeout=5)
        except BaseException:
            self.stop()
            raise
        self.control.settimeout(None)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        """Netstrings with JSON in them."""
        buffer = b""
        while True:
            try:
                data = self.control.recv(65536)
            except OSError:
                return
            if not data:
                return
            buffer += data
            while b":" in buffer:
                size, _, rest = buffer.partition(b":")
                if len(rest) <= int(size):
                    break
                said, buffer = json.loads(rest[:int(size)]), rest[int(size) + 1:]
                (self.events if said.get("event") else self.replies).append(said)

    def command(self, name, parameters=""):
        octets = json.dumps({"command": name, "params": parameters, "token": name}).encode()
        count = len(self.replies)
        self.control.sendall(b"%d:%s," % (len(octets), octets))
        until(lambda: len(self.replies) > count, 5, f"the answer of baresip to {name}")
        assert self.replies[count]["ok"], self.replies[count]

    def happened(self, kind, times=1):
        """Has it said so?"""
        return [event["type"] for event in self.events].count(kind) >= times

    def wait(self, kind, timeout=5, times=1):
        try:
            until(lambda: self.happened(kind, times), timeout, f"{kind} of {self.name}")
        except AssertionError as late:
            raise AssertionError(f"{late}: {[event['type'] for event in self.events]}\n{self.said()[-3000:]}") from None

    def stop(self, timeout=0.5):
        """It would wait for the answers to its REGISTER and BYE."""
        super().stop(timeout)
        if hasattr(self, "control"):
            self.control.close()

    # What every phone can, see others.phones.

    refusal = 486

    def hears(self, kind, parameter="", timeout=8):
        """Waits for an event behind the one that was heard last."""
        def heard():
            for number, event in enumerate(self.events[self.at:], self.at + 1):
                if event["type"] == kind and parameter in event.get("param", ""):
                    self.at = number
                    return True
            return False

        try:
            until(heard, timeout, f"{kind} {parameter} of {self.name}")
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.events[self.at:]}\n{self.said()[-3000:]}") from None

    def registers(self):
        self.says("[1 binding]")

    def calls(self, aor):
        self.command("dial", aor)

    def rings(self, aor):
        self.hears("CALL_INCOMING", aor)

    def hears_it_ring(self):
        self.hears("CALL_RINGING")

    def answers(self):
        self.command("accept")

    def talks(self):
        self.hears("CALL_ESTABLISHED")
        self.skips()

    def holds(self):
        self.command("hold")
        self.passed("a=sendonly", "\nSIP/2.0 200 ", "a=recvonly", "\nACK ")

    def resumes(self):
        self.command("resume")
        self.passed("a=sendrecv", "\nSIP/2.0 200 ", "\nACK ")

    def is_held(self, offer="sendonly", answer="recvonly"):
        self.passed("\nINVITE ", f"a={offer}", "\nSIP/2.0 200 ", f"a={answer}", "\nACK ")

    def is_resumed(self):
        self.passed("\nINVITE ", "\nSIP/2.0 200 ", "a=sendrecv", "\nACK ")

    def ends_it(self):
        self.command("hangup")
        self.hears("CALL_CLOSED")

    refuses = ends_it

    def cancels(self):
        self.skips()
        self.ends_it()
        self.passed("\nCANCEL ", "\nSIP/2.0 487 ", "\nACK ")

    def is_left(self):
        self.hears("CALL_CLOSED")

    def is_refused(self, code):
        self.hears("CALL_CLOSED", f"{code} ")

    def writes(self, aor, text):
        """To the current contact, of which there is one: the list has a begin and an end."""
        moves = ["contact_prev"] * len(self.peers) + ["contact_next"] * len(self.peers)
        for move in moves:
            self.command(move)
            if f"<{aor}>" in self.replies[-1]["data"]:
                break
        self.skips()
        self.command("message", text)
        self.passed("\nMESSAGE ", "\nSIP/2.0 200 ")

    def reads(self, aor, text):
        self.passed("\nMESSAGE ", f"<{aor}>", f"\n\n{text}")

    def quits(self):
        self.command("quit")
