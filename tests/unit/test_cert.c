#include "tests/test.h"

#include "crypto/cert.h"
#include "crypto/der.h"
#include "tests/unit/guard.h"
#include "tests/unit/vector.h"

static struct buf file_of(const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "certs/%s.der", name);
	return vector_file(path);
}

static struct cert *load(const char *name)
{
	struct buf der = file_of(name);
	struct slice at_edge = guard_copy(buf_slice(&der));
	struct cert *c = NULL;

	if (cert_read(at_edge, &c) != ERR_OK)
		fail_msg("%s cannot be read", name);
	assert_true(slice_eq(cert_der(c), buf_slice(&der)));
	assert_int_equal(cert_length(at_edge), der.n);
	guard_free(at_edge);
	buf_free(&der);
	return c;
}

static void keys(void **state)
{
	static const struct {
		const char *file;
		enum key_kind kind;
		unsigned bits;
	} rows[] = {{"read-rsa1024", KEY_RSA, 1024},
		    {"read-rsa4096", KEY_RSA, 4096},
		    {"read-p384", KEY_EC, 384},
		    {"read-eku-none", KEY_EC, 256}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct cert *c = load(rows[i].file);
		struct buf spki = {0};
		struct key *k;

		assert_int_equal(cert_key_kind(c), rows[i].kind);
		assert_int_equal(cert_key_bits(c), rows[i].bits);
		assert_int_equal(cert_public_key(c, &k), ERR_OK);
		key_spki(k, &spki);
		assert_true(slice_eq(buf_slice(&spki), cert_spki(c)));
		assert_true(cert_is_self_signed(c));
		assert_false(cert_is_ca(c));
		key_free(k);
		buf_free(&spki);
		cert_free(c);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *file;
		enum err expect;
	} rows[] = {
		{"bad-p521", ERR_UNSUPPORTED},
		{"bad-p224", ERR_UNSUPPORTED},
		{"bad-ed25519", ERR_UNSUPPORTED},
		{"bad-v1", ERR_UNSUPPORTED},
		{"bad-rsa-8192", ERR_UNSUPPORTED},
		{"bad-rsa-large-e", ERR_UNSUPPORTED},
		{"bad-rsa-e33", ERR_UNSUPPORTED},
		{"bad-rsa-e1", ERR_UNSUPPORTED},
		{"bad-rsa-even-e", ERR_UNSUPPORTED},
		{"bad-rsa-even-n", ERR_UNSUPPORTED},
		{"bad-rsa-1023", ERR_UNSUPPORTED},
		{"bad-unknown-critical", ERR_UNSUPPORTED},
		{"bad-name-constraints", ERR_UNSUPPORTED},
		{"bad-large", ERR_LIMIT},
		{"bad-san-empty", ERR_SYNTAX},
		{"bad-san-cut", ERR_SYNTAX},
		{"bad-ip-odd", ERR_SYNTAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf der = file_of(rows[i].file);
		struct slice at_edge = guard_copy(buf_slice(&der));
		struct cert *c = NULL;
		enum err e = cert_read(at_edge, &c);

		if (e != rows[i].expect)
			fail_msg("%s: %s", rows[i].file, err_str(e));
		guard_free(at_edge);
		buf_free(&der);
	}
}

static void dates(void **state)
{
	static const struct {
		const char *file;
		int64_t from, to;
	} rows[] = {
		/* date -u -d ... +%s */
		{"read-eku-none", 1767225600, 2082758400},
		{"read-2049", 1767225600, 2524607999},
		{"read-2050", 920163723, 2524608000},
		{"read-9999", 1767225600, 253402300799},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cert *c = load(rows[i].file);

		assert_true(cert_not_before(c) == rows[i].from);
		assert_true(cert_not_after(c) == rows[i].to);
		cert_free(c);
	}
}

static void purposes(void **state)
{
	static const struct {
		const char *file;
		bool server, client, strict;
	} rows[] = {
		{"read-eku-none", true, true, true},
		{"read-eku-any", true, true, true},
		{"read-eku-sip", true, true, true},
		{"read-eku-server", true, false, false},
		{"read-eku-client", false, true, false},
		{"read-eku-code", false, false, false},
		{"read-eku-code-and-server", true, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cert *c = load(rows[i].file);

		assert_int_equal(cert_purpose_tls(c, true, false), rows[i].server);
		assert_int_equal(cert_purpose_tls(c, false, false), rows[i].client);
		assert_int_equal(cert_purpose_tls(c, true, true), rows[i].strict);
		assert_int_equal(cert_purpose_tls(c, false, true), rows[i].strict);
		cert_free(c);
	}
}

static void usages(void **state)
{
	static const struct {
		const char *file;
		bool sign, encipher, ca;
	} rows[] = {
		{"read-eku-none", true, true, false},        {"read-usage-sign", true, false, false},
		{"read-usage-encipher", false, true, false}, {"read-usage-decipher-only", false, false, false},
		{"read-ca-path-3", false, false, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cert *c = load(rows[i].file);

		assert_int_equal(cert_usage_allows(c, CERT_DIGITAL_SIGNATURE), rows[i].sign);
		assert_int_equal(cert_usage_allows(c, CERT_KEY_ENCIPHERMENT), rows[i].encipher);
		assert_int_equal(cert_is_ca(c), rows[i].ca);
		cert_free(c);
	}
}

static void fingerprints(void **state)
{
	struct buf pem = vector_file("rfc4474/atlanta.cer"), der = {0}, text = {0};
	static const char *const labels[] = {"CERTIFICATE", NULL};
	const char *label;
	struct cert *c;
	size_t pos = 0;

	(void)state;
	assert_int_equal(pem_read(buf_slice(&pem), labels, &pos, &label, &der), ERR_OK);
	assert_int_equal(cert_read(buf_slice(&der), &c), ERR_OK);
	cert_fingerprint(c, HASH_SHA1, &text);
	buf_addc(&text, ' ');
	cert_fingerprint(c, HASH_SHA256, &text);
	/* openssl x509 -noout -fingerprint -sha1, -sha256 */
	assert_string_equal(
		text.p,
		"B5:4A:84:AE:13:AC:52:EA:78:B9:81:3D:78:D5:7E:F0:EA:51:AD:53 "
		"7E:64:6A:C5:92:66:81:EE:E0:75:29:B6:46:E9:77:2A:F7:5C:62:44:28:A2:69:20:A8:0A:42:64:C4:AE:8A:3F");
	assert_true(cert_is_self_signed(c));
	assert_true(cert_is_ca(c));
	cert_free(c);
	buf_free(&pem);
	buf_free(&der);
	buf_free(&text);
}

static void self_signed(void **state)
{
	struct cert *c = load("leaf");

	(void)state;
	assert_false(cert_is_self_signed(c));
	cert_free(c);
	c = load("leaf-self");
	assert_true(cert_is_self_signed(c));
	cert_free(c);
}

static void lengths(void **state)
{
	struct buf der = file_of("leaf");

	(void)state;
	buf_adds(&der, "\r\n");
	assert_int_equal(cert_length(buf_slice(&der)), der.n - 2);
	assert_int_equal(cert_length(S("")), 0);
	assert_int_equal(cert_length(S("\x30")), 0);
	assert_int_equal(cert_length(S("\x30\x80\0\0")), 0);
	assert_int_equal(cert_length(S("\x30\x01")), 0);
	assert_int_equal(cert_length(S("\x30\x00")), 2);
	{
		struct cert *c;

		assert_int_equal(cert_read(buf_slice(&der), &c), ERR_SYNTAX);
	}
	buf_free(&der);
}

static void touch(const struct cert *c)
{
	struct slice s;
	struct buf b = {0};

	for (size_t i = 0; cert_san(c, CERT_URI, i, &s); i++)
		buf_add(&b, s);
	(void)cert_common_name(c, &s);
	(void)cert_matches_sip_domain(c, S("example.com"));
	(void)cert_matches_host(c, S("example.com"), true);
	(void)cert_matches_ip(c, S("127.0.0.1"));
	(void)cert_purpose_tls(c, true, false);
	buf_free(&b);
}

/* Every prefix is refused; what one changed octet leaves readable has its strings inside itself. */
static void changes(void **state)
{
	static const char *const files[] = {"name-many", "read-rsa1024", "read-eku-code-and-server", "read-9999",
					    "root"};

	(void)state;
	for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
		struct buf der = file_of(files[f]);
		size_t readable = 0;
		struct cert *c;

		for (size_t n = 0; n < der.n; n++) {
			struct slice part = guard_copy(slice_sub(buf_slice(&der), 0, n));

			assert_int_equal(cert_read(part, &c), ERR_SYNTAX);
			assert_int_equal(cert_length(part), 0);
			guard_free(part);
		}
		for (size_t i = 0; i < 8 * der.n; i++) {
			struct slice copy;

			der.p[i / 8] ^= 1 << i % 8;
			copy = guard_copy(buf_slice(&der));
			if (cert_read(copy, &c) == ERR_OK) {
				readable++;
				touch(c);
				cert_free(c);
			}
			guard_free(copy);
			der.p[i / 8] ^= 1 << i % 8;
		}
		assert_true(readable > 0 && readable < 8 * der.n);
		buf_free(&der);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),     cmocka_unit_test(refused),     cmocka_unit_test(dates),
		cmocka_unit_test(purposes), cmocka_unit_test(usages),      cmocka_unit_test(fingerprints),
		cmocka_unit_test(lengths),  cmocka_unit_test(self_signed), cmocka_unit_test(changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
