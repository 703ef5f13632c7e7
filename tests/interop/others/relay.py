"""Relays in front of one peer: a UDP relay that loses packets in both directions (the kernel here may have no netem), and a
TCP relay that changes requests.

SIPp's own -lost will not do: an answer that it lost itself it never sends again, however often it is asked."""

import queue
import random
import re
import selectors
import socket
import threading
import time

from peer.stub import Connection


class LossyRelay:
    def __init__(self, peer, loss, seed):
        self.peer, self.loss, self.random = ("127.0.0.1", peer), loss, random.Random(seed)
        self.outside, self.inside = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for sock in (self.outside, self.inside):
            sock.bind(("127.0.0.1", 0))
        self.port = self.outside.getsockname()[1]
        self.asker, self.passed, self.lost, self.over = None, 0, 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.outside, selectors.EVENT_READ)
            selector.register(self.inside, selectors.EVENT_READ)
            while not self.over:
                for key, _ in selector.select(0.1):
                    self.carry(key.fileobj)

    def carry(self, sock):
        data, source = sock.recvfrom(65536)
        if sock is self.outside:
            self.asker = source
        if self.random.random() < self.loss:
            self.lost += 1
            return
        self.passed += 1
        if sock is self.outside:
            self.inside.sendto(data, self.peer)
        else:
            self.outside.sendto(data, self.asker)

    def close(self):
        self.over = True
        self.thread.join(5)
        self.outside.close()
        self.inside.close()


class ChangingRelay:
    """A TCP relay in front of one port: `change` gets the octets of every request and gives what is passed on. Final answers
    are passed as they are, and kept in `answers`."""

    def __init__(self, port):
        self.to, self.change, self.last, self.failure = ("127.0.0.1", port), None, None, None
        self.answers = queue.Queue()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(near,), daemon=True).start()

    def serve(self, near):
        with near, socket.create_connection(self.to) as far:
            threading.Thread(target=self.back, args=(far, near), daemon=True).start()
            for message in Connection(near, self.port).messages(lambda _count: None):
                far.sendall(self.changed(message))
            self.shut(far)

    def changed(self, message):
        if message.code is not None or message.method == "ACK":
            return message.raw
        self.last = message.raw
        if not self.change:
            return message.raw
        try:
            return self.change(message.raw)
        except AssertionError as failure:
            self.failure = failure
            raise

    @staticmethod
    def shut(sock):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def back(self, far, near):
        try:
            for message in Connection(far, self.port).messages(lambda _count: None):
                if message.code and message.code >= 200:
                    self.answers.put(message)
                near.sendall(message.raw)
        except OSError:
            pass
        self.shut(near)

    def replay(self, tag=None):
        """The status of the answer to the last request, sent again with another branch, and perhaps another From tag."""
        raw = re.sub(rb"branch=z9hG4bK[^;\r]*", b"branch=z9hG4bKagain%d" % time.monotonic_ns(), self.last, count=1)
        if tag:
            raw = re.sub(rb"(\r\nFrom:[^\r]*;tag=)[^;\r]*", rb"\g<1>" + tag, raw)
        with socket.create_connection(self.to) as sock:
            sock.sendall(raw)
            connection = Connection(sock, self.port)
            return next(m.code for m in connection.messages(lambda _count: None) if m.code and m.code >= 200)

    def close(self):
        self.shut(self.listener)
        self.listener.close()
        assert not self.failure, self.failure
