"""Phones of all makes in one hand. Each has methods for what it can (`calls`, `answers`, `holds`, `resumes`, `ends_it`, `cancels`,
`refuses`, `writes`, `quits`), which wait until it says that it has done so, and for what it notices of another (`rings`,
`hears_it_ring`, `talks`, `is_held`, `is_resumed`, `is_left`, `is_refused`, `reads`). `refusal` is its status for a call that it
does not want."""

import contextlib
import itertools

import pytest
from others import nua
from others.baresip import MODULES, Baresip
from others.linphone import Linphone
from others.nua import Nua
from others.program import needs
from others.twinkle import Twinkle
from peer.lab import domain_certificate

MAKES = {"baresip": Baresip, "linphone": Linphone, "twinkle": Twinkle, "nua": Nua}
NEEDS = {"baresip": [needs("baresip-core", "baresip"),
                     pytest.mark.skipif(not MODULES, reason="the modules of baresip are not found")],
         "linphone": [needs("linphone-cli", "linphonec")],
         "twinkle": [needs("twinkle-console", "twinkle-console")],
         "nua": [nua.available]}
WAYS = ["udp", "tcp", "tls", "sips"]


def able(make, way):
    """Twinkle has no TLS, and of sips URIs only sofia-sip makes something."""
    return make == "nua" or (way != "sips" and (make != "twinkle" or way != "tls"))


def case(*makes, way):
    """A case of a test with phones of those makes, skipped where one is missing."""
    return pytest.param(way, makes, id="-".join([way, *makes]), marks=[mark for make in makes for mark in NEEDS[make]])


class Phones:
    """Registered phones of users of one server, one or two of each make and transport, started when they are asked for. Tests
    share them, until one fails."""

    def __init__(self, lab, folder):
        self.lab, self.folder, self.number = lab, folder, itertools.count()
        self.started, self.users = {}, {}

    def clear(self):
        for phone in self.started.values():
            phone.stop()
        self.started, self.users = {}, {}

    def user(self, *key):
        if key not in self.users:
            self.users[key] = self.lab.user()
        return self.users[key]

    def start(self, way, make, number):
        options, user = {}, self.user(way, make, number)
        if make == "baresip":
            options["peers"] = [self.user(way, other, each).aor for other in MAKES for each in (0, 1)]
        if make == "linphone" and way == "tls":
            options["certificate"] = domain_certificate(self.lab.directory, user.name, user.aor)
        folder = self.folder / str(next(self.number))
        folder.mkdir()
        phone = self.started[way, make, number] = MAKES[make](folder, self.lab, user, way, **options)
        phone.aor = user.sips if way == "sips" else user.aor
        phone.registers()
        return phone

    def get(self, way, make, number=0):
        return self.started.get((way, make, number)) or self.start(way, make, number)

    def forget(self, phone):
        """It ends; who asks for one gets another of the same user."""
        self.started = {key: started for key, started in self.started.items() if started is not phone}

    @contextlib.contextmanager
    def line(self, way, makes):
        """Phones of those makes; what a failure leaves behind is not for the tests that follow."""
        try:
            yield [self.get(way, make, makes[:number].count(make)) for number, make in enumerate(makes)]
        except BaseException:
            self.clear()
            raise
