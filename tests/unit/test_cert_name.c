#include "tests/test.h"

#include "crypto/cert.h"
#include "tests/unit/vector.h"

static struct cert *load(const char *name)
{
	struct buf der;
	struct cert *c = NULL;
	char path[80];

	snprintf(path, sizeof(path), "certs/name-%s.der", name);
	der = vector_file(path);
	if (cert_read(buf_slice(&der), &c) != ERR_OK)
		fail_msg("%s cannot be read", path);
	buf_free(&der);
	return c;
}

struct row {
	const char *file;
	const char *name;
	bool sip;  /* RFC 5922 */
	bool host; /* RFC 2818 with wildcards */
};

static const struct row rows[] = {
	{"uri", "example.com", true, true},
	{"uri", "EXAMPLE.com", true, true},
	{"uri", "sip.example.com", false, false},
	{"uri", "ample.com", false, false},
	{"uri", "example.co", false, false},
	{"uri", "example.com.", false, false},
	{"uri", "sip:example.com", false, false},
	{"uri", "x", false, false}, /* the CN, which counts only where no SIP URI says more */
	{"uri", "", false, false},
	{"uri-upper", "example.com", true, true},
	{"uri-user", "example.com", false, false}, /* a user's certificate, whatever its CN */
	{"uri-user", "alice@example.com", false, false},
	{"uri-sips", "example.com", false, false},
	{"uri-port", "example.com", true, true},
	{"uri-port", "example.com:5061", false, false},
	{"uri-params", "example.com", true, true},
	{"uri-empty", "", false, false},
	{"uri-http", "example.com", false, false},
	{"uri-http", "//example.com/", false, false},
	{"uri-ipv6", "[2001:db8::1]", true, true},
	{"uri-ipv6", "2001:db8::1", true, true},
	{"uri-ipv6", "[2001:db8::1", false, false},
	{"uri-ipv6", "[2001", false, false},
	{"uri-nul", "example.com", false, false},
	{"uri-nul-user", "example.com", false, false},
	{"uri-and-dns", "a.example", true, true},
	{"uri-and-dns", "b.example", false, true}, /* RFC 5922 7.1: DNS counts only without a SIP URI */
	{"user-and-dns", "a.example", false, false},
	{"user-and-dns", "b.example", true, true},
	{"many", "one.example", true, true},
	{"many", "two.example", true, true},
	{"many", "three.example", false, false},
	{"many", "dns.example", false, true},
	{"many", "x", false, false},
	{"dns", "example.com", true, true},
	{"dns", "Example.Com", true, true},
	{"dns", "www.example.com", false, false},
	{"dns-upper", "example.com", true, true},
	{"dns-suffix", "example.com", false, false},
	{"dns-nul", "example.com", false, false},
	{"dns-nul-front", "example.com", false, false},
	{"dns-empty", "", false, false},
	{"dns-empty", "example.com", false, false},
	{"dns-dot", "example.com", false, false},
	{"wild", "sip.example.com", false, true},
	{"wild", "SIP.EXAMPLE.COM", false, true},
	{"wild", "example.com", false, false},
	{"wild", ".example.com", false, false},
	{"wild", "a.b.example.com", false, false},
	{"wild-part", "foo.example.com", false, false},
	{"wild-inner", "www.example.com", false, false},
	{"wild-two", "a.b.example.com", false, false},
	{"wild-top", "example.com", false, false},
	{"wild-all", "example", false, false},
	{"wild-all", "example.com", false, false},
	{"wild-address", "127.0.0.1", false, false},
	{"cn", "example.com", true, true},
	{"cn", "www.example.com", false, false},
	{"cn-two", "special.example", true, true},
	{"cn-two", "general.example", false, false},
	{"cn-nul", "example.com", false, false},
	{"cn-wild", "sip.example.com", false, true},
	{"cn-email-san", "example.com", false, true}, /* RFC 5922 7.1: no CN where there is a subjectAltName */
	{"cn-email-san", "example.org", false, false},
	{"ip-as-dns", "127.0.0.1", true, true},
	{"ip", "127.0.0.1", false, true}, /* the CN */
};

static void matchers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cert *c = load(rows[i].file);
		struct slice name = slice_str(rows[i].name);
		bool wild = slice_starts(slice_str(rows[i].file), S("wild")) ||
			    slice_eq(slice_str(rows[i].file), S("cn-wild"));

		if (cert_matches_sip_domain(c, name) != rows[i].sip)
			fail_msg("%s for %s: SIP domain", rows[i].file, rows[i].name);
		if (cert_matches_host(c, name, true) != rows[i].host)
			fail_msg("%s for %s: host", rows[i].file, rows[i].name);
		if (cert_matches_host(c, name, false) != (rows[i].host && !wild))
			fail_msg("%s for %s: host without wildcards", rows[i].file, rows[i].name);
		cert_free(c);
	}
}

/* A name that is asked for and has a NUL in it matches nothing, not even the same octets. */
static void nul_in_wish(void **state)
{
	static const char *const files[] = {"uri-nul", "dns-nul", "cn-nul", "uri", "dns", "cn"};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct cert *c = load(files[i]);

		assert_false(cert_matches_sip_domain(c, S("example.com\0.evil.example")));
		assert_false(cert_matches_host(c, S("example.com\0.evil.example"), true));
		assert_false(cert_matches_sip_domain(c, S("example.com\0")));
		assert_false(cert_matches_host(c, S("example.com\0"), true));
		assert_false(cert_matches_ip(c, S("127.0.0.1\0")));
		assert_false(cert_matches_sip_domain(c, SLICE_NONE));
		assert_false(cert_matches_host(c, SLICE_NONE, true));
		assert_false(cert_matches_ip(c, SLICE_NONE));
		cert_free(c);
	}
}

static void addresses(void **state)
{
	struct cert *c = load("ip");

	(void)state;
	assert_true(cert_matches_ip(c, S("127.0.0.1")));
	assert_true(cert_matches_ip(c, S("::1")));
	assert_true(cert_matches_ip(c, S("0:0:0:0:0:0:0:1")));
	assert_false(cert_matches_ip(c, S("127.0.0.2")));
	assert_false(cert_matches_ip(c, S("::2")));
	assert_false(cert_matches_ip(c, S("localhost")));
	assert_false(cert_matches_ip(c, S("127.0.0.1.5")));
	cert_free(c);
	c = load("ip-as-dns");
	assert_false(cert_matches_ip(c, S("127.0.0.1")));
	cert_free(c);
}

static void list(void **state)
{
	struct cert *c = load("many");
	struct slice s;

	(void)state;
	assert_true(cert_has_san(c));
	assert_true(cert_san(c, CERT_URI, 0, &s) && slice_eq(s, S("sip:one.example")));
	assert_true(cert_san(c, CERT_URI, 1, &s) && slice_eq(s, S("sip:two.example")));
	assert_true(cert_san(c, CERT_URI, 2, &s) && slice_eq(s, S("sip:alice@three.example")));
	assert_false(cert_san(c, CERT_URI, 3, &s));
	assert_true(cert_san(c, CERT_DNS, 0, &s) && slice_eq(s, S("dns.example")));
	assert_false(cert_san(c, CERT_DNS, 1, &s));
	assert_true(cert_san(c, CERT_EMAIL, 0, &s) && slice_eq(s, S("alice@example.com")));
	assert_true(cert_common_name(c, &s) && slice_eq(s, S("x")));
	cert_free(c);
	c = load("cn-nul");
	assert_false(cert_has_san(c));
	assert_false(cert_san(c, CERT_URI, 0, &s));
	assert_true(cert_common_name(c, &s) && slice_eq(s, S("example.com\0.evil.example")));
	cert_free(c);
	c = load("uri-nul");
	assert_true(cert_san(c, CERT_URI, 0, &s) && slice_eq(s, S("sip:example.com\0.evil.example")));
	cert_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matchers),
		cmocka_unit_test(nul_in_wish),
		cmocka_unit_test(addresses),
		cmocka_unit_test(list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
