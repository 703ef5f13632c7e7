"""The flow of the figure in section 3 of the draft (EXM-06), up to the encrypted message."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from peer import certs
from peer import lab as program
from peer.sipclient import addr_spec, certificate_of, credential_of


def test_EXM_05_EXM_06_bob_publishes_and_fetches_and_alice_writes_to_him(lab, net, judge):
    bob, alice = lab.lab_user("bob"), lab.lab_user("alice")
    assert program.vouch("revoke", bob.aor, "-c", lab.conf).returncode == 0
    key, phrase = certs.rsa_key(1), "the phrase of bob"

    # Bob2 connects with TLS, and checks that the server is example.com's.
    laptop = lab.agent(net, bob)
    # Bob2 publishes his credential: challenge, then PUBLISH with digest.
    certificate, sealed = certs.certificate(bob.aor, key=key, ca=False), certs.pkcs8_encrypted(key, phrase)
    bare = laptop.exchange(laptop.new("PUBLISH", bob.sips, {"Event": "credential"}))
    assert bare.code == 401 and laptop.pick(bare)["realm"] == "credential.example.com"
    published = laptop.publish(certificate, sealed)
    assert published.code == 200 and 29 * certs.DAY < published.expires <= 30 * certs.DAY
    laptop.peer.close()

    # Time passes. Bob1 connects and subscribes: challenge, SUBSCRIBE with digest, NOTIFY with the credential.
    phone = lab.agent(net, bob)
    assert phone.exchange(phone.new("SUBSCRIBE", bob.sips, {"Event": "credential"})).code == 401
    own = phone.subscribe(event="credential", expires=3600)
    assert own.response.expires == 3600
    assert own.notify.event == ("credential", {"etag": published.etag})
    assert credential_of(own.notify) == (certificate, sealed)
    judge.check(own.notify)
    # Bob decrypts the key.
    private = certs.load_key(credential_of(own.notify)[1], phrase)
    assert certs.same_key(private, key)

    # Alice fetches Bob's certificate, without authentication, and checks the chain of section 9.3.
    hers = lab.agent(net, transport="tcp")
    hers.user = alice.name
    watching = hers.subscribe(bob.aor, expires=3600)
    received = certificate_of(watching.notify)
    assert addr_spec(watching.notify.one("From"))[0] == bob.aor
    judge.check(watching.notify)
    assert received == certificate and bob.aor in certs.sip_uris(received)
    # Alice encrypts to that key, and Bob's phone reads it.
    message = x509.load_der_x509_certificate(received).public_key().encrypt(b"Hello", padding.PKCS1v15())
    assert private.decrypt(message, padding.PKCS1v15()) == b"Hello"

    # Bob publishes another credential with the etag that he learnt: both watchers get it.
    newer = certs.pair(bob.aor, 2)
    assert phone.publish(*newer, headers={"SIP-If-Match": own.notify.event[1]["etag"]}).code == 200
    assert credential_of(own.next()) == newer
    assert certificate_of(watching.next()) == newer[0]
    judge.check(watching.notify)
    # Bob revokes: his devices have to authenticate again, and Alice learns that there is no certificate.
    assert phone.revoke().code == 200
    assert own.next().state == ("terminated", {"reason": "deactivated"}) and own.notify.body == b""
    assert watching.next().state[0] == "active" and certificate_of(watching.notify) == b""
    judge.check(own.notify)
    judge.check(watching.notify)
    assert credential_of(phone.subscribe(event="credential").notify) == (b"", None)
    # Alice goes off line.
    assert watching.refresh(0).expires == 0
    assert watching.next().state == ("terminated", {"reason": "timeout"})
