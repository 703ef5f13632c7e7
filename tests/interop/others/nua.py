"""Compiles and runs nua.c, a phone of the library sofia-sip, which has no phone of its own.

Its transport "sips" is what the library does on TLS by itself: its Contact is a sips URI, and so all of its URIs must be (RFC
5630 5.4). With "tls" its URIs are sip URIs, as those of other phones are, and its Contact is given to it."""

import pathlib
import shutil
import subprocess

import pytest
from others.program import Console
from peer.lab import free_ports

SOURCE = pathlib.Path(__file__).with_name("nua.c")
HEADERS = sorted(pathlib.Path("/").glob("usr/**/include/sofia-sip-*"))
COMPILER = shutil.which("cc")
available = pytest.mark.skipif(not HEADERS or not COMPILER, reason="sofia-sip is not installed (libsofia-sip-ua-dev)")


class Nua(Console):
    """The phone of a user of the server."""

    def __init__(self, folder, server, user, transport, password=None):
        self.user, home = user, folder / user.name
        home.mkdir()
        shutil.copy(server.ca, home / "cafile.pem")
        safe = transport in ("tls", "sips")
        super().__init__(home, user.name, self.built(server.directory), user.name, password or user.password, transport,
                         free_ports(2), server.port + safe, home)

    @staticmethod
    def built(folder):
        program = folder / "nua"
        if not program.exists():
            subprocess.run([COMPILER, "-o", program, SOURCE, "-I", HEADERS[0], "-lsofia-sip-ua"], check=True)
        return program

    # What every phone can, see others.phones.

    refusal = 486

    def registers(self):
        self.hears("register 200")

    def calls(self, aor):
        self.command(f"call {aor}")

    def rings(self, aor):
        self.hears(f"incoming {aor}")

    def hears_it_ring(self):
        self.hears("invite 180")

    def answers(self):
        self.command("answer")

    def talks(self):
        self.hears("talking sendrecv")

    def holds(self):
        self.command("hold")
        self.hears("talking sendonly")

    def resumes(self):
        self.command("resume")
        self.hears("talking sendrecv")

    def is_held(self, offer="sendonly", answer="recvonly"):
        self.hears(f"talking {answer}")

    def is_resumed(self):
        self.hears("talking sendrecv")

    def ends_it(self):
        self.command("bye")
        self.hears("bye 200", "ended")

    def refuses(self):
        self.command("refuse")
        self.hears("ended")

    def cancels(self):
        self.command("cancel")
        self.hears("cancel 200", "invite 487", "ended")

    def is_left(self):
        self.hears("ended")

    def is_refused(self, code):
        self.hears(f"invite {code} ", "ended")

    def writes(self, aor, text):
        self.command(f"message {aor} {text}")
        self.hears("message 200")

    def reads(self, aor, text):
        self.hears(f"message of {aor}: {text}")

    def quits(self):
        self.command("quit")
