#include "tests/test.h"

#include "core/buf.h"
#include "sip/identity/web_url.h"
#include "tests/unit/prefix.h"

/* RFC 3986 and what of it is asked for: VER-04, VER-18. */

struct row {
	const char *text;
	bool https;
	const char *host, *authority;
	uint16_t port;
	const char *target;
};

static const struct row good[] = {
	{"http://example.com/a.cer", false, "example.com", "example.com", 80, "/a.cer"},
	{"https://example.com/a.cer", true, "example.com", "example.com", 443, "/a.cer"},
	{"HTTP://Example.COM/A", false, "Example.COM", "Example.COM", 80, "/A"},
	{"hTTpS://h", true, "h", "h", 443, ""},
	{"http://h/", false, "h", "h", 80, "/"},
	{"http://h?q=1", false, "h", "h", 80, "?q=1"},
	{"http://h#f", false, "h", "h", 80, ""},
	{"http://h/p?q#f", false, "h", "h", 80, "/p?q"},
	{"http://h/p#f?q", false, "h", "h", 80, "/p"},
	{"http://h/#", false, "h", "h", 80, "/"},
	{"http://h:1/", false, "h", "h:1", 1, "/"},
	{"http://h:65535/", false, "h", "h:65535", 65535, "/"},
	{"https://h:80", true, "h", "h:80", 80, ""},
	{"http://h:080/", false, "h", "h:080", 80, "/"},
	{"http://192.0.2.1:8080/x", false, "192.0.2.1", "192.0.2.1:8080", 8080, "/x"},
	{"http://[2001:db8::1]/x", false, "2001:db8::1", "[2001:db8::1]", 80, "/x"},
	{"https://[::1]:8443", true, "::1", "[::1]:8443", 8443, ""},
	{"http://[::ffff:192.0.2.1]:1/", false, "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:1", 1, "/"},
	{"http://h/a:b@c/[x]", false, "h", "h", 80, "/a:b@c/[x]"},
	{"http://h/%20%00", false, "h", "h", 80, "/%20%00"},
	{"http://h//e.example/", false, "h", "h", 80, "//e.example/"},
	{"http://h/../../etc", false, "h", "h", 80, "/../../etc"},
};

static const char *const bad[] = {
	"",
	"http",
	"http:",
	"http:/",
	"http://",
	"https://",
	"http:///x",
	"http://?x",
	"http://#x",
	"http://:80/",
	"http:h/x",
	"//h/x",
	"/x",
	"h/x",
	" http://h/",
	"http://h/ ",
	"ftp://h/",
	"file:///etc/passwd",
	"sip:h",
	"httpx://h/",
	"https:/h/",
	"http://h:/",
	"http://h:0/",
	"http://h:00000/",
	"http://h:65536/",
	"http://h:4294967376/", /* 80 + 2^32 */
	"http://h:-1/",
	"http://h:+1/",
	"http://h:1x/",
	"http://h:80:80/",
	"http://a@h/",
	"http://a:b@h/",
	"http://@h/",
	"http://h@/",
	"http://h:80@e.example/",
	"http://h%40e.example/",
	"http://h\\@e.example/",
	"http://h/\\",
	"http://::1/",
	"http://2001:db8::1:80/",
	"http://[::1/",
	"http://::1]/",
	"http://[::1]80/",
	"http://[::1]:/",
	"http://[::1]x:80/",
	"http://[]/",
	"http://[::1%25eth0]/",
	"http://[v1.x]/",
	"http://[192.0.2.1]/",
	"http://-h/",
	"http://.h/",
	"http://h..e/",
	"http://h,e/",
	"http://h;e/",
	"http://h*/",
	"http://caf\xc3\xa9/",
	"http://h/caf\xc3\xa9",
	"http://h/\xff",
	"http://h/a b",
	"http://h/\t",
	"http://h/\r\nX: y",
	"http://h\n/",
	"http://h/\x7f",
	"http://h/\x01",
	"http://h?\r\n",
	"http://h/#\n",
};

static void parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const struct row *r = &good[i];
		struct slice in = guard_copy(slice_str(r->text));
		struct web_url u;

		if (!web_url_parse(in, &u))
			fail_msg("%s", r->text);
		if (u.https != r->https || u.port != r->port || !slice_eq(u.host, slice_str(r->host)) ||
		    !slice_eq(u.authority, slice_str(r->authority)) || !slice_eq(u.target, slice_str(r->target)))
			fail_msg("the parts of %s", r->text);
		guard_free(in);
	}
}

static void refused(void **state)
{
	struct web_url u;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct slice in = guard_copy(slice_str(bad[i]));

		memset(&u, PREFIX_FILL, sizeof(u));
		if (web_url_parse(in, &u))
			fail_msg("\"%s\"", bad[i]);
		assert_true(untouched(&u, sizeof(u)));
		guard_free(in);
	}
	assert_false(web_url_parse(S("http://h/\0x"), &u));
	assert_false(web_url_parse(S("http://h\0.example/"), &u));
}

static void limit(void **state)
{
	struct buf b = {0};
	struct web_url u;

	(void)state;
	buf_adds(&b, "http://h/");
	while (b.n < WEB_URL_MAX)
		buf_addc(&b, 'x');
	assert_true(web_url_parse(buf_slice(&b), &u));
	buf_addc(&b, 'x');
	assert_false(web_url_parse(buf_slice(&b), &u));
	buf_free(&b);
}

static void check_prefix(struct slice in)
{
	struct web_url u;

	memset(&u, PREFIX_FILL, sizeof(u));
	if (web_url_parse(in, &u))
		assert_true(inside(in, u.host) && inside(in, u.authority) && inside(in, u.target) && u.host.n > 0 &&
			    u.port != 0);
	else
		assert_true(untouched(&u, sizeof(u)));
}

static void prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		each_prefix(slice_str(good[i].text), check_prefix);
	for (size_t i = 0; i < COUNT(bad); i++)
		each_prefix(slice_str(bad[i]), check_prefix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),
		cmocka_unit_test(refused),
		cmocka_unit_test(limit),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
