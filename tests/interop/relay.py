"""A UDP relay in front of one peer that loses packets in both directions; the kernel here may have no netem.

SIPp's own -lost will not do: an answer that it lost itself it never sends again, however often it is asked."""

import random
import selectors
import socket
import threading


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
