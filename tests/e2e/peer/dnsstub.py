"""A name server of the tests' own, on port 53 of a loopback address, and a file system in which only it is asked."""

import pathlib
import socket
import struct
import subprocess
import threading

A, SRV, NAPTR = 1, 33, 35


def labels(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def text(value):
    return bytes([len(value)]) + value.encode()


def address(dotted):
    return A, socket.inet_aton(dotted)


def srv(priority, weight, port, target):
    return SRV, struct.pack(">HHH", priority, weight, port) + labels(target)


def naptr(order, preference, service, replacement, flags="s"):
    return NAPTR, struct.pack(">HH", order, preference) + text(flags) + text(service) + text("") + labels(replacement)


class NameServer:
    """Answers from `records`, {name: [(type, data)]}; `asked` is what was asked for. `script` is a function of the type and
    the question section that gives all octets behind the ID instead, or None for silence."""

    def __init__(self, host, records):
        self.host, self.records, self.asked, self.script = host, records, [], None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(1500)
            except OSError:
                return
            answer = self.answer(query)
            if answer:
                self.socket.sendto(answer, peer)

    def answer(self, query):
        at, name = 12, []
        while query[at]:
            name.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind, _ = struct.unpack(">HH", query[at + 1:at + 5])
        name = ".".join(name).lower()
        self.asked.append((name, kind))
        if self.script:
            scripted = self.script(kind, query[12:at + 5])
            return None if scripted is None else query[:2] + scripted
        found = [data for one, data in self.records.get(name, []) if one == kind]
        code = 0 if name in self.records else 3
        head = query[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, len(found), 0, 0)
        return head + query[12:at + 5] + b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data for data in found)

    def start(self, directory, *command):
        """A command for which this is the name server."""
        conf, hosts, switch = directory / "resolv.conf", directory / "hosts", directory / "nsswitch.conf"
        conf.write_text(f"nameserver {self.host}\noptions timeout:1 attempts:1\n")
        hosts.write_text("")
        switch.write_text("hosts: dns\n")
        mounts = " && ".join(f"mount --bind {path} /etc/{path.name}" for path in (conf, hosts, switch)
                             if pathlib.Path("/etc", path.name).exists())
        return subprocess.Popen(["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh", *map(str, command)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, directory, *command):
        """The same to its end; stdout and stderr are kept."""
        child = self.start(directory, *command)
        try:
            out, err = child.communicate(timeout=60)
        finally:
            child.kill()
        return subprocess.CompletedProcess(command, child.returncode, out, err)

    def close(self):
        self.socket.close()
