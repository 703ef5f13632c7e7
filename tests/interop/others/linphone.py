"""Runs linphonec without a sound card: commands go to its standard input, what happens is read from its output."""

import os

from others.program import Console
from peer.lab import free_ports, until

CONFIGURATION = """[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
default_proxy=0
root_ca={ca}
verify_server_certs=1
verify_server_cn=0
guess_hostname=0
use_ipv6=0
publish_presence=0
lime=0
{certificate}
[proxy_0]
reg_proxy=<sip:127.0.0.1:{server};transport={transport}>
reg_route=<sip:127.0.0.1:{server};transport={transport};lr>
reg_identity=<{aor}>
reg_expires=600
reg_sendregister=1
publish=0

[auth_info_0]
username={name}
passwd={password}
realm=example.com
domain=example.com

[sound]
use_files_instead_of_soundcards=1

[misc]
max_calls={calls}

[video]
enabled=0
display=0
capture=0
"""
NO_PORT = -2


class Linphone(Console):
    """The phone of a user of the server; `certificate` are the files of that of its TLS client and of its key."""

    def __init__(self, folder, server, user, transport, ca=None, password=None, certificate=None, calls=10):
        self.user, home = user, folder / user.name
        (home / ".local/share/linphone").mkdir(parents=True)
        ports = {one: free_ports() if one == transport else NO_PORT for one in ("udp", "tcp", "tls")}
        (home / "rc").write_text(CONFIGURATION.format(
            **ports, ca=ca or server.ca, server=server.port + (transport == "tls"), transport=transport, aor=user.aor,
            name=user.name, password=password or user.password, calls=calls,
            certificate="client_cert_chain={}\nclient_cert_key={}\n".format(*certificate) if certificate else ""))
        self.trace = home / "trace"
        self.trace.touch()
        super().__init__(home, user.name, "linphonec", "-c", home / "rc", "-d", "6", "-l", self.trace,
                         env={**os.environ, "HOME": str(home), "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": ""})

    def registration(self, state, timeout=10):
        """Waits until it has come to that state, by its own trace: Ok or Failed."""
        until(lambda: f"to [LinphoneRegistration{state}]" in self.trace.read_text(errors="replace"), timeout,
              f"the registration {state} of {self.name}")

    # What every phone can, see others.phones.

    refusal = 603  # it has no command for 486

    def registers(self):
        self.registration("Ok")

    def calls(self, aor):
        self.skips()
        self.command(f"call {aor}")

    def rings(self, aor):
        self.hears(f"incoming call from {aor}")

    def hears_it_ring(self):
        self.hears("ringing")

    def answers(self):
        self.skips()
        self.command("answer")

    def talks(self):
        """It says so before the ACK has come."""
        self.hears("connected", "Media streams established")
        self.passed("\nSIP/2.0 200 ", "\nACK ")

    def holds(self):
        self.command("pause")
        self.hears("is now paused.")

    def resumes(self):
        self.command("resume")
        self.hears("Resuming call", "Media streams established")

    def is_held(self, offer="sendonly", answer="recvonly"):
        self.hears("has been paused by")

    def is_resumed(self):
        self.hears("Media streams established")

    def ends_it(self):
        self.command("terminate")
        self.hears("ended")

    refuses = cancels = ends_it

    def is_left(self):
        self.hears("ended")

    def is_refused(self, code):
        """It calls a busy callee an error."""
        self.hears("ended (Call declined)" if code == 603 else "error.")
        self.passed(f"\nSIP/2.0 {code} ", "\nACK ")

    def writes(self, aor, text):
        self.command(f"chat {aor} {text}")

    def reads(self, aor, text):
        self.hears(f"Message received from {aor}: {text}")

    def quits(self):
        self.command("quit")
