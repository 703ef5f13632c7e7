"""Hosts: network namespaces on one wire, and a server made by `vouch init` on one of them, as on a machine of its own."""

import contextlib
import ctypes
import itertools
import os
import re
import socket
import subprocess

import pytest
from peer.lab import Process, Server, until, vouch
from peer.sipclient import StreamPeer, UdpPeer, tls_connect, tls_context

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
numbers = itertools.count()


def ip(*arguments):
    return subprocess.run(["ip", *map(str, arguments)], capture_output=True, text=True, timeout=20)


def possible():
    """May this process make network namespaces?"""
    name = f"vt{os.getpid()}x"
    if os.geteuid() != 0 or ip("netns", "add", name).returncode != 0:
        return False
    usable = ip("-n", name, "link", "set", "lo", "up").returncode == 0  # not in a chroot, which cannot mount
    ip("netns", "del", name)
    return usable


needed = pytest.mark.skipif(not possible(), reason="no network namespaces can be made here (root, ip)")


class Host:
    def __init__(self, wires, name):
        self.wires, self.name, self.addresses = wires, f"vt{os.getpid()}-{next(numbers)}", []
        self.done("netns", "add", self.name)
        self.done("-n", self.name, "link", "set", "lo", "up")

    @staticmethod
    def done(*arguments):
        result = ip(*arguments)
        assert result.returncode == 0, f"ip {arguments}: {result.stderr}"

    def add(self, device, *addresses):
        """The device gets these addresses with their prefix lengths."""
        for address in addresses:
            self.done("-n", self.name, "address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
            self.addresses.append(address.partition("/")[0])

    def enter(self):
        """This thread, or a child before it runs another program, is on this host from now on."""
        with open(f"/run/netns/{self.name}") as there:
            if LIBC.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    @contextlib.contextmanager
    def here(self):
        """Sockets that are made meanwhile are on this host, and stay there."""
        with open("/proc/thread-self/ns/net") as back:
            self.enter()
            try:
                yield self
            finally:
                LIBC.setns(back.fileno(), CLONE_NEWNET)


class Wires:
    """Hosts, each on a wire of its own to the first one, which is at 10.9.N.1 and fd09:N::1 there; they are at .2 and ::2."""

    def __init__(self, *names):
        self.hosts = []
        try:
            for name in names:
                self.hosts.append(Host(self, name))
            for number, host in enumerate(self.hosts[1:], 1):
                self.wire(number, host)
        except BaseException:
            self.close()
            raise

    def wire(self, number, host):
        middle = self.hosts[0]
        Host.done("link", "add", "v1", "netns", middle.name, "type", "veth", "peer", "name", "v1", "netns", host.name)
        Host.done("-n", middle.name, "link", "set", "v1", "name", f"w{number}")
        for one, device, end in ((middle, f"w{number}", 1), (host, "v1", 2)):
            Host.done("-n", one.name, "link", "set", device, "up")
            one.add(device, f"10.9.{number}.{end}/24", f"fd09:{number}::{end}/64")
            if end == 2:
                Host.done("-n", one.name, "route", "add", "default", "via", f"10.9.{number}.1")

    def close(self):
        for host in self.hosts:
            ip("netns", "del", host.name)


class Made(Server):
    """A server made by `vouch init`, on a host: all addresses, ports 5060, 5061 and 443."""

    def __init__(self, directory, host, options=()):
        super().__init__(directory, options, port=5060)
        self.host = host
        made = vouch("init", directory, "--domain", self.domain)
        assert made.returncode == 0, made.stderr

    def start(self):
        arguments = [word for option in self.options for word in ("-o", option)]
        self.process = Process("serve", "-c", self.conf, *arguments, preexec_fn=self.host.enter)
        until(lambda: self.process.out or self.process.child.poll() is not None, 30, "the ready line")
        assert self.process.out and self.process.out[0].startswith("ready "), self.process.log
        return self

    def user(self, name=None, password=None):
        with self.host.here():
            return super().user(name, password)

    def at(self, net, host, transport, family=socket.AF_INET, port=5060):
        """A peer on that host."""
        v6 = family == socket.AF_INET6
        server = next(a for a in self.host.addresses if re.match(re.escape(prefix(host, v6)), a))
        source = next(a for a in host.addresses if (":" in a) == v6)
        with host.here():
            if transport == "udp":
                return UdpPeer(net, (server, port), host=source)
            if transport == "tcp":
                return StreamPeer(net, socket.create_connection((server, port), 10, (source, 0)), "TCP")
            return StreamPeer(net, tls_connect(port + 1, tls_context(self.ca), source=source, host=server), "TLS")


def prefix(host, v6):
    """What the addresses of both ends of its wire begin with."""
    return next(a for a in host.addresses if (":" in a) == v6)[:-1]
