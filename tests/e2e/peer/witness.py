"""An address that asked for nothing: whatever comes there was sent by the server."""

import contextlib
import socket


class Witness:
    """Somebody at an address, who sees what comes by UDP and TCP."""

    def __init__(self, host):
        self.host = host
        while True:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind((host, 0))
            self.port = self.udp.getsockname()[1]
            self.tcp = socket.socket()
            try:
                self.tcp.bind((host, self.port))
                break
            except OSError:
                self.close()
        self.tcp.listen()
        self.udp.settimeout(0)
        self.tcp.settimeout(0)

    def uri(self, transport, user="x"):
        return f"sip:{user}@{self.host}:{self.port};transport={transport}"

    def hit(self):
        for attempt in (lambda: self.udp.recv(65536), self.tcp.accept):
            with contextlib.suppress(BlockingIOError):
                attempt()
                return True
        return False

    def close(self):
        self.udp.close()
        self.tcp.close()
