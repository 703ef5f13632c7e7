"""The other end of the wire: clients, stubs and judges of the tests' own, which share no code with the program.

The tests of tests/e2e stand by what they test: wire (transports, TLS, framing, DNS, limits), event (SUBSCRIBE and NOTIFY),
credential (the credential service and digest authentication), identity (RFC 4474: signing and verifying), registrar, proxy,
verb (the command line, configuration, deployment), attack (what strangers try). Fixtures are in tests/conftest.py; what drives
programs of others is in tests/interop/others."""
