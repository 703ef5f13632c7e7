#include "tests/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "crypto/cert.h"
#include "crypto/encode.h"

/* What cert_make makes is judged by the openssl program. */

#define FROM 1780315200 /* 2026-06-01 12:00 UTC */
#define TO (FROM + 365 * 86400LL)

static struct key *rsa_key, *ec_key, *ca_key;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(key_generate(KEY_RSA, 2048, &rsa_key), ERR_OK);
	assert_int_equal(key_generate(KEY_EC, 256, &ec_key), ERR_OK);
	assert_int_equal(key_generate(KEY_RSA, 2048, &ca_key), ERR_OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	key_free(rsa_key);
	key_free(ec_key);
	key_free(ca_key);
	return 0;
}

static struct cert_params params(const char *name)
{
	return (struct cert_params){
		.common_name = slice_str(name),
		.not_before = FROM,
		.not_after = TO,
		.alg = HASH_SHA256,
	};
}

static struct cert *read_back(const struct buf *der)
{
	struct cert *c = NULL;

	assert_int_equal(cert_read(buf_slice(der), &c), ERR_OK);
	return c;
}

static struct buf make(const struct cert_params *p, const struct key *subject, const struct cert *issuer,
		       struct key *by)
{
	struct buf der = {0};

	assert_int_equal(cert_make(p, subject, issuer, by, &der), ERR_OK);
	return der;
}

struct temp {
	char path[32];
};

static struct temp pem_file(const struct buf *der)
{
	struct temp t = {"/tmp/vouch-XXXXXX"};
	struct buf pem = {0};
	int fd = mkstemp(t.path);

	assert_true(fd >= 0);
	pem_write(&pem, "CERTIFICATE", buf_slice(der));
	assert_int_equal(write(fd, pem.p, pem.n), pem.n);
	close(fd);
	buf_free(&pem);
	return t;
}

/* says: the output of the command holds what. */
static void says(const char *what, const char *format, ...) PRINTF_LIKE(2, 3);

static void says(const char *what, const char *format, ...)
{
	char command[200], out[8192];
	va_list ap;
	size_t n;
	FILE *f;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = '\0';
	pclose(f);
	if (strstr(out, what) == NULL)
		fail_msg("%s\nsays\n%s\nand not\n%s", command, out, what);
}

#define TEXT "openssl x509 -noout -text -in %s 2>&1"
#define VERIFY "openssl verify -x509_strict -attime 1780320000 -CAfile %s %s 2>&1"

static struct slice uris[] = {{"sip:alice@example.com", 21}, {"sips:alice@example.com", 22}, {NULL, 0}};
static struct slice dns[] = {{"example.com", 11}, {NULL, 0}};
static struct slice ips[] = {{"127.0.0.1", 9}, {"2001:db8::1", 11}, {NULL, 0}};

static void user(void **state)
{
	struct cert_params p = params("alice@example.com");
	struct slice name;
	struct cert *c;
	struct buf der;
	struct temp t;

	(void)state;
	p.user = true;
	p.uris = uris;
	der = make(&p, rsa_key, NULL, rsa_key);
	c = read_back(&der);
	assert_true(cert_is_self_signed(c));
	assert_false(cert_is_ca(c));
	assert_true(cert_not_before(c) == FROM && cert_not_after(c) == TO);
	assert_true(cert_san(c, CERT_URI, 1, &name) && slice_eq(name, uris[1]));
	assert_true(cert_common_name(c, &name) && slice_eq(name, S("alice@example.com")));
	t = pem_file(&der);
	says("Version: 3 (0x2)", TEXT, t.path);
	says("Signature Algorithm: sha256WithRSAEncryption", TEXT, t.path);
	says("URI:sip:alice@example.com, URI:sips:alice@example.com", TEXT, t.path);
	says("CA:FALSE", TEXT, t.path);
	says("Digital Signature, Key Encipherment, Data Encipherment", TEXT, t.path);
	says("Not Before: Jun  1 12:00:00 2026 GMT", TEXT, t.path);
	says("Not After : Jun  1 12:00:00 2027 GMT", TEXT, t.path);
	says("X509v3 Subject Key Identifier", TEXT, t.path);
	says("X509v3 Authority Key Identifier", TEXT, t.path);
	says("OK", VERIFY, t.path, t.path);
	unlink(t.path);
	cert_free(c);
	buf_free(&der);
}

static void sha1(void **state)
{
	struct cert_params p = params("alice");
	struct cert *c;
	struct buf der;
	struct temp t;

	(void)state;
	p.user = true;
	p.uris = uris;
	p.alg = HASH_SHA1;
	der = make(&p, rsa_key, NULL, rsa_key);
	c = read_back(&der);
	assert_true(cert_is_self_signed(c));
	t = pem_file(&der);
	says("Signature Algorithm: sha1WithRSAEncryption", TEXT, t.path);
	says("OK", "openssl verify -check_ss_sig -auth_level 0 -attime 1780320000 -CAfile %s %s 2>&1", t.path, t.path);
	unlink(t.path);
	cert_free(c);
	buf_free(&der);
}

/* A domain's certificate below a CA, each of RSA and EC. */
static void domain(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct key *above = i % 2 == 0 ? ca_key : ec_key, *own = i / 2 == 0 ? rsa_key : ec_key;
		struct cert_params root = params("the CA"), p = params("example.com");
		struct buf root_der, der;
		struct cert *issuer, *c;
		struct temp a, b;

		root.ca = true;
		root_der = make(&root, above, NULL, above);
		issuer = read_back(&root_der);
		assert_true(cert_is_ca(issuer));
		p.sip_domain = true;
		p.dns = dns;
		p.ips = ips;
		der = make(&p, own, issuer, above);
		c = read_back(&der);
		assert_false(cert_is_self_signed(c));
		assert_true(cert_purpose_tls(c, true, true) && cert_purpose_tls(c, false, true));
		assert_true(cert_usage_allows(c, CERT_DIGITAL_SIGNATURE));
		assert_int_equal(cert_usage_allows(c, CERT_KEY_ENCIPHERMENT), own == rsa_key);
		assert_true(cert_matches_sip_domain(c, S("example.com")));
		assert_true(cert_matches_ip(c, S("2001:db8:0::1")));
		a = pem_file(&root_der);
		b = pem_file(&der);
		says("Certificate Sign, CRL Sign", TEXT, a.path);
		says("OK", VERIFY, a.path, a.path);
		says("OK", VERIFY, a.path, b.path);
		says("DNS:example.com, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1", TEXT, b.path);
		says("TLS Web Server Authentication, TLS Web Client Authentication, 1.3.6.1.5.5.7.3.20", TEXT, b.path);
		says("does match certificate", "openssl x509 -noout -checkhost example.com -in %s 2>&1", b.path);
		says("OK", "openssl verify -purpose sslserver -attime 1780320000 -CAfile %s %s 2>&1", a.path, b.path);
		unlink(a.path);
		unlink(b.path);
		cert_free(c);
		cert_free(issuer);
		buf_free(&root_der);
		buf_free(&der);
	}
}

static void times(void **state)
{
	static const struct {
		int64_t from, to;
		const char *before, *after;
	} rows[] = {
		{-631152000, 2524607999, "Not Before: Jan  1 00:00:00 1950", "Not After : Dec 31 23:59:59 2049"},
		{951827696, 2524608000, "Not Before: Feb 29 12:34:56 2000", "Not After : Jan  1 00:00:00 2050"},
		{FROM, 253402300799, "Not Before: Jun  1 12:00:00 2026", "Not After : Dec 31 23:59:59 9999"},
	};
	struct cert_params p = params("x");
	struct buf none = {0};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf der;
		struct cert *c;
		struct temp t;

		p.not_before = rows[i].from;
		p.not_after = rows[i].to;
		der = make(&p, ec_key, NULL, ec_key);
		c = read_back(&der);
		assert_true(cert_not_before(c) == rows[i].from && cert_not_after(c) == rows[i].to);
		t = pem_file(&der);
		says(rows[i].before, TEXT, t.path);
		says(rows[i].after, TEXT, t.path);
		unlink(t.path);
		cert_free(c);
		buf_free(&der);
	}
	p.not_before = -631152001;
	assert_int_equal(cert_make(&p, ec_key, NULL, ec_key, &none), ERR_SYNTAX);
	p.not_before = FROM;
	p.not_after = 253402300800;
	assert_int_equal(cert_make(&p, ec_key, NULL, ec_key, &none), ERR_SYNTAX);
	p.not_after = FROM - 1;
	assert_int_equal(cert_make(&p, ec_key, NULL, ec_key, &none), ERR_SYNTAX);
	assert_int_equal(none.n, 0);
}

static enum err try(const struct cert_params *p)
{
	struct buf der = {0};
	enum err e;

	buf_adds(&der, "kept");
	e = cert_make(p, ec_key, NULL, ec_key, &der);
	if (e != ERR_OK)
		assert_string_equal(der.p, "kept");
	buf_free(&der);
	return e;
}

static void refused(void **state)
{
	static const char *const bad_names[] = {"", "a\nb", "\x7f", "\xc3\xa4", "\t"};
	static const char *const bad_uris[] = {"", "sip:a b", "sip:\xc3\xa4", "sip:a\n"};
	static const char *const bad_ips[] = {"", "127.0.0", "example.com", "1.2.3.4.5", "::g", "127.0.0.1 "};
	char long_name[80];
	struct cert_params p;
	struct slice one[2] = {SLICE_NONE, SLICE_NONE};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		p = params(bad_names[i]);
		assert_int_equal(try(&p), ERR_SYNTAX);
	}
	p = params("x");
	p.common_name = S("a\0b");
	assert_int_equal(try(&p), ERR_SYNTAX);
	for (size_t i = 0; i < 4; i++) {
		p = params("x");
		one[0] = slice_str(bad_uris[i]);
		p.uris = one;
		assert_int_equal(try(&p), ERR_SYNTAX);
		p.uris = NULL;
		p.dns = one;
		assert_int_equal(try(&p), ERR_SYNTAX);
	}
	for (size_t i = 0; i < 6; i++) {
		p = params("x");
		one[0] = slice_str(bad_ips[i]);
		p.ips = one;
		assert_int_equal(try(&p), ERR_SYNTAX);
	}
	p = params("x");
	p.alg = HASH_MD5;
	assert_int_equal(try(&p), ERR_UNSUPPORTED);
	memset(long_name, 'n', sizeof(long_name));
	p = params("x");
	p.common_name = slice_of(long_name, 65);
	assert_int_equal(try(&p), ERR_LIMIT);
	p.uris = uris;
	assert_int_equal(try(&p), ERR_OK);
	p.uris = NULL;
	p.common_name = slice_of(long_name, 64);
	assert_int_equal(try(&p), ERR_OK);
}

/* RFC 5280 4.1.2.2: positive, at most 20 octets, never the same. */
static void serials(void **state)
{
	struct cert_params p = params("x");
	struct buf a = make(&p, ec_key, NULL, ec_key), b = make(&p, ec_key, NULL, ec_key);
	size_t at;

	(void)state;
	at = slice_find(buf_slice(&a), S("\xa0\x03\x02\x01\x02\x02\x10"), 0) + 7;
	assert_in_range((unsigned char)a.p[at], 0x40, 0x7f);
	assert_memory_not_equal(a.p + at, b.p + at, 16);
	buf_free(&a);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user),  cmocka_unit_test(sha1),    cmocka_unit_test(domain),
		cmocka_unit_test(times), cmocka_unit_test(refused), cmocka_unit_test(serials),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
