#include "tests/test.h"

#include "crypto/cert.h"
#include "tests/unit/vector.h"

#define NOW 1780315200 /* 2026-06-01 12:00 UTC */

static struct cert *load(const char *name)
{
	struct buf der;
	struct cert *c = NULL;
	char path[80];

	snprintf(path, sizeof(path), "certs/%s.der", name);
	der = vector_file(path);
	assert_int_equal(cert_read(buf_slice(&der), &c), ERR_OK);
	buf_free(&der);
	return c;
}

static void anchor(struct trust *t, const char *name)
{
	struct cert *c = load(name);

	assert_int_equal(trust_add_der(t, cert_der(c)), ERR_OK);
	cert_free(c);
}

static enum trust_verdict check_at(const struct trust *t, const char *names, int64_t now, bool sha1)
{
	struct cert *certs[8] = {0};
	char copy[200], *rest = copy, *name;
	enum trust_verdict v;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", names);
	while ((name = strtok_r(rest, " ", &rest)) != NULL)
		certs[n++] = load(name);
	v = trust_check(t, certs[0], (const struct cert *const *)certs + 1, n - 1, now, sha1);
	for (size_t i = 0; i < n; i++)
		cert_free(certs[i]);
	return v;
}

struct row {
	const char *names; /* leaf, then what the peer offers with it */
	enum trust_verdict expect;
};

static void verdicts(void **state)
{
	static const struct row rows[] = {
		{"leaf", TRUST_OK},
		{"leaf root", TRUST_OK},
		{"leaf i1 i2", TRUST_OK},
		{"leaf-other", TRUST_UNTRUSTED},
		{"leaf-other root-same-name", TRUST_UNTRUSTED},
		{"leaf-bad-signature", TRUST_UNTRUSTED},
		{"leaf-self", TRUST_UNTRUSTED},
		{"leaf-ec", TRUST_UNTRUSTED},
		{"root", TRUST_OK},
		{"root-same-name", TRUST_UNTRUSTED},
		{"leaf-expired", TRUST_EXPIRED},
		{"leaf-not-yet", TRUST_NOT_YET},
		{"leaf-sha1", TRUST_WEAK},
		{"leaf-i-sha1 i-sha1", TRUST_WEAK},
		{"leaf-1024", TRUST_WEAK},
		{"leaf-i1", TRUST_UNTRUSTED},
		{"leaf-i1 i1", TRUST_OK},
		{"leaf-i1 i1 root", TRUST_OK},
		{"leaf-i2 i2 i1", TRUST_OK},
		{"leaf-i2 i1 i2", TRUST_OK},
		{"leaf-i2 i2 i1 root", TRUST_OK},
		{"leaf-i2 root i1 i2", TRUST_OK},
		{"leaf-i2 i2", TRUST_UNTRUSTED},
		{"leaf-i3 i3 i2 i1", TRUST_CHAIN_TOO_LONG},
		{"leaf-i3 i3 i2 i1 root", TRUST_CHAIN_TOO_LONG},
		{"leaf i1 i2 i3 root", TRUST_CHAIN_TOO_LONG},
		{"leaf-not-ca not-ca", TRUST_BAD_USAGE},
		{"leaf-no-sign no-sign", TRUST_BAD_USAGE},
		{"leaf-path0 path0", TRUST_OK},
		{"leaf-below-path0 below-path0 path0", TRUST_BAD_USAGE},
		{"leaf-i-expired i-expired", TRUST_EXPIRED},
	};
	struct trust *t = trust_new();

	(void)state;
	anchor(t, "root");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum trust_verdict v = check_at(t, rows[i].names, NOW, false);

		if (v != rows[i].expect)
			fail_msg("%s: %s", rows[i].names, trust_str(v));
	}
	assert_int_equal(check_at(t, "leaf-sha1", NOW, true), TRUST_OK);
	assert_int_equal(check_at(t, "leaf-i-sha1 i-sha1", NOW, true), TRUST_OK);
	assert_int_equal(check_at(t, "leaf-1024", NOW, true), TRUST_OK);
	trust_unref(t);
}

/* The dates are those of the certificates: 2026-01-01 to 2036-01-01. */
static void clocks(void **state)
{
	struct trust *t = trust_new();

	(void)state;
	anchor(t, "root");
	assert_int_equal(check_at(t, "leaf", 1767225599, false), TRUST_NOT_YET);
	assert_int_equal(check_at(t, "leaf", 1767225600, false), TRUST_OK);
	assert_int_equal(check_at(t, "leaf", 2082758400, false), TRUST_OK);
	assert_int_equal(check_at(t, "leaf", 2082758401, false), TRUST_EXPIRED);
	assert_int_equal(check_at(t, "leaf-expired", 1769904000, false), TRUST_OK);
	assert_int_equal(check_at(t, "leaf-i-expired i-expired", 1769904000, false), TRUST_OK);
	trust_unref(t);
}

static void anchors(void **state)
{
	struct trust *t = trust_new();

	(void)state;
	assert_int_equal(check_at(t, "leaf", NOW, false), TRUST_UNTRUSTED);
	assert_int_equal(check_at(t, "root", NOW, false), TRUST_UNTRUSTED);
	anchor(t, "root-ec");
	assert_int_equal(check_at(t, "leaf-ec", NOW, false), TRUST_OK);
	assert_int_equal(check_at(t, "leaf root", NOW, false), TRUST_UNTRUSTED);
	/* Two authorities of one name: the signature tells. */
	anchor(t, "root-same-name");
	assert_int_equal(check_at(t, "leaf", NOW, false), TRUST_UNTRUSTED);
	assert_int_equal(check_at(t, "leaf-other", NOW, false), TRUST_OK);
	anchor(t, "root");
	assert_int_equal(check_at(t, "leaf", NOW, false), TRUST_OK);
	assert_int_equal(check_at(t, "leaf-other", NOW, false), TRUST_OK);
	/* A self-signed end entity that is itself an anchor. */
	assert_int_equal(check_at(t, "leaf-self", NOW, false), TRUST_UNTRUSTED);
	anchor(t, "leaf-self");
	assert_int_equal(check_at(t, "leaf-self", NOW, false), TRUST_OK);
	assert_int_equal(check_at(t, "leaf-self", 2082758401, false), TRUST_EXPIRED);
	trust_unref(t);
	/* An intermediate certificate as the anchor. */
	t = trust_new();
	anchor(t, "i1");
	assert_int_equal(check_at(t, "leaf-i1", NOW, false), TRUST_OK);
	assert_int_equal(check_at(t, "leaf", NOW, false), TRUST_UNTRUSTED);
	/* An end entity as an anchor signs nothing. */
	anchor(t, "not-ca");
	assert_int_equal(check_at(t, "leaf-not-ca", NOW, false), TRUST_BAD_USAGE);
	trust_unref(t);
}

static void pem(void **state)
{
	static const char *const names[] = {"root", "bad-p521", "root-ec", "bad-name-constraints"};
	struct trust *t = trust_new();
	struct buf text = {0};
	size_t count = 99;

	(void)state;
	assert_int_equal(trust_add_pem(t, S("no certificate here"), &count), ERR_OK);
	assert_int_equal(count, 0);
	for (size_t i = 0; i < 4; i++) {
		struct buf der;
		char path[80];

		snprintf(path, sizeof(path), "certs/%s.der", names[i]);
		der = vector_file(path);
		buf_addf(&text, "# %s\n", names[i]);
		pem_write(&text, "CERTIFICATE", buf_slice(&der));
		buf_free(&der);
	}
	/* Anchors of a kind that is not taken are passed over: bundles of systems have such. */
	assert_int_equal(trust_add_pem(t, buf_slice(&text), &count), ERR_OK);
	assert_int_equal(count, 2);
	assert_int_equal(check_at(t, "leaf", NOW, false), TRUST_OK);
	assert_int_equal(check_at(t, "leaf-ec", NOW, false), TRUST_OK);
	assert_int_equal(trust_add_pem(t, slice_sub(buf_slice(&text), 0, 200), &count), ERR_SYNTAX);
	assert_int_equal(trust_add_pem(t, S("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), &count),
			 ERR_SYNTAX);
	trust_unref(t);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(clocks),
		cmocka_unit_test(anchors),
		cmocka_unit_test(pem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
