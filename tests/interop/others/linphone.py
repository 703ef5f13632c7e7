"""Runs linphonec without a sound card: commands go to its standard input, what happens is read from its output."""

import os
import subprocess

from others.program import Program
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

[video]
enabled=0
display=0
capture=0
"""
NO_PORT = -2


class Linphone(Program):
    """The phone of a user of the server."""

    def __init__(self, folder, server, user, transport, ca=None, password=None):
        self.user, home = user, folder / user.name
        (home / ".local/share/linphone").mkdir(parents=True)
        ports = {one: free_ports() if one == transport else NO_PORT for one in ("udp", "tcp", "tls")}
        (home / "rc").write_text(CONFIGURATION.format(
            **ports, ca=ca or server.ca, server=server.port + (transport == "tls"), transport=transport, aor=user.aor,
            name=user.name, password=password or user.password))
        self.at, self.trace = 0, home / "trace"
        self.trace.touch()
        super().__init__(home, user.name, "linphonec", "-c", home / "rc", "-d", "6", "-l", self.trace,
                         stdin=subprocess.PIPE,
                         env={**os.environ, "HOME": str(home), "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": ""})

    def command(self, text):
        self.child.stdin.write(f"{text}\n".encode())
        self.child.stdin.flush()

    def heard(self, text):
        """Has it said that since what was heard last?"""
        at = self.said().find(text, self.at)
        if at >= 0:
            self.at = at + len(text)
        return at >= 0

    def hears(self, text, timeout=8):
        try:
            until(lambda: self.heard(text), timeout, f"{text!r} of {self.name}")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.said()[-2000:]}") from None

    def registration(self, state, timeout=10):
        """Waits until it has come to that state, by its own trace: Ok or Failed."""
        until(lambda: f"to [LinphoneRegistration{state}]" in self.trace.read_text(errors="replace"), timeout,
              f"the registration {state} of {self.name}")

    def stop(self, timeout=1):
        super().stop(timeout)
        self.child.stdin.close()
