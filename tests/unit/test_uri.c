#include "tests/test.h"

#include "sip/message/limits.h"
#include "sip/message/uri.h"
#include "tests/unit/prefix.h"

struct row {
	const char *text;
	enum uri_scheme scheme;
	const char *user, *password, *host; /* NULL: absent */
	uint32_t port;
	const char *params, *headers;
};

/* RFC 3261 19.1.3, RFC 4475 3.1.1, RFC 5118. */
static const struct row good[] = {
	{"sip:alice@atlanta.com", URI_SIP, "alice", NULL, "atlanta.com", 0, "", NULL},
	{"sip:alice:secretword@atlanta.com;transport=tcp", URI_SIP, "alice", "secretword", "atlanta.com", 0,
	 ";transport=tcp", NULL},
	{"sips:alice@atlanta.com?subject=project%20x&priority=urgent", URI_SIPS, "alice", NULL, "atlanta.com", 0, "",
	 "subject=project%20x&priority=urgent"},
	{"sip:+1-212-555-1212:1234@gateway.com;user=phone", URI_SIP, "+1-212-555-1212", "1234", "gateway.com", 0,
	 ";user=phone", NULL},
	{"sips:1212@gateway.com", URI_SIPS, "1212", NULL, "gateway.com", 0, "", NULL},
	{"sip:alice@192.0.2.4", URI_SIP, "alice", NULL, "192.0.2.4", 0, "", NULL},
	{"sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com", URI_SIP, NULL, NULL, "atlanta.com", 0,
	 ";method=REGISTER", "to=alice%40atlanta.com"},
	{"sip:alice;day=tuesday@atlanta.com", URI_SIP, "alice;day=tuesday", NULL, "atlanta.com", 0, "", NULL},
	{"SIP:a@B:5060", URI_SIP, "a", NULL, "B", 5060, "", NULL},
	{"sip:a:@b", URI_SIP, "a", "", "b", 0, "", NULL},
	{"sip:a?b/c@h", URI_SIP, "a?b/c", NULL, "h", 0, "", NULL},
	{"sip:h:1;lr", URI_SIP, NULL, NULL, "h", 1, ";lr", NULL},
	{"sip:h:65535", URI_SIP, NULL, NULL, "h", 65535, "", NULL},
	{"sip:[2001:db8::10]:5070", URI_SIP, NULL, NULL, "[2001:db8::10]", 5070, "", NULL},
	{"sip:u@[2001:db8::10:5070]", URI_SIP, "u", NULL, "[2001:db8::10:5070]", 0, "", NULL},
	{"sip:%00@h", URI_SIP, "%00", NULL, "h", 0, "", NULL},
	{"sip:sips%3Auser%40example.com@example.net", URI_SIP, "sips%3Auser%40example.com", NULL, "example.net", 0, "",
	 NULL},
	{"sip:user@example.com?Route=%3Csip:example.com%3E", URI_SIP, "user", NULL, "example.com", 0, "",
	 "Route=%3Csip:example.com%3E"},
	{"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
	 URI_SIP, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*", "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
	 "example.com", 0, "", NULL},
	{"tel:+12125551212", URI_OTHER, NULL, NULL, NULL, 0, NULL, NULL},
	{"soap.beep://192.0.2.103:3002", URI_OTHER, NULL, NULL, NULL, 0, NULL, NULL},
	{"nobodyKnowsThisScheme:totallyopaquecontent", URI_OTHER, NULL, NULL, NULL, 0, NULL, NULL},
	{"http://www.example.com/a?b#c", URI_OTHER, NULL, NULL, NULL, 0, NULL, NULL},
};

static const char *const bad[] = {
	"",
	"sip",
	"sip:",
	"sips:",
	":a",
	"alice@atlanta.com",
	"sip:@h",
	"sip::pw@h",
	"sip:a@",
	"sip:a@@h",
	"sip:a@b@c",
	"sip:a b@h",
	"sip: a@h",
	"sip:a@h ",
	" sip:a@h",
	"sip:a@h:",
	"sip:a@h:0",
	"sip:a@h:65536",
	"sip:a@h:4294972356", /* 5060 + 2^32 */
	"sip:a@h:-1",
	"sip:a@h:+1",
	"sip:a@h:50x",
	"sip:a@h:5060:5060",
	"sip:2001:db8::10", /* RFC 5118 4.2 */
	"sip:[2001:db8::10",
	"sip:[]",
	"sip:[::1]5060",
	"sip:a%@h",
	"sip:a%4@h",
	"sip:a%4g@h",
	"sip:a%zz@h",
	"sip:a@h;p=%",
	"sip:a@h;p=%4",
	"sip:a@h;",
	"sip:a@h;;p",
	"sip:a@h; lr", /* RFC 4475 3.1.2.8 */
	"sip:a@h;p=\"x\"",
	"sip:a@h?",
	"sip:a@h?x=%4",
	"sip:a@h?x=<y>",
	"sip:a@h?x=y z",
	"<sip:a@h>",
	"sip:a\"@h",
	"sip:a<b@h",
	"sip:a\\b@h",
	"sip:a#b@h",
	"sip:a@h#f",
	"sip:caf\xc3\xa9@h",
	"sip:a@h\t",
	"sip:a@h\r\n",
	"1x:y",
	"x y:z",
	"x:",
	"x:a b",
	"x:<a>",
	"x:a\"b",
	"x:a\tb",
	"x:a\x7f",
};

static void parse_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const struct row *r = &good[i];
		struct slice in = guard_copy(slice_str(r->text));
		struct uri u;

		if (uri_parse(in, &u) != ERR_OK)
			fail_msg("%s", r->text);
		assert_true(slice_eq(u.text, in));
		assert_int_equal(u.scheme, r->scheme);
		if (!is_text(u.user, r->user) || !is_text(u.password, r->password) || !is_text(u.host, r->host) ||
		    u.port != r->port || !slice_eq(u.params, slice_str(r->params)) || !is_text(u.headers, r->headers))
			fail_msg("the parts of %s", r->text);
		guard_free(in);
	}
}

static void parse_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct slice in = guard_copy(slice_str(bad[i]));
		struct uri u;

		memset(&u, PREFIX_FILL, sizeof(u));
		if (uri_parse(in, &u) != ERR_SYNTAX)
			fail_msg("\"%s\"", bad[i]);
		assert_true(untouched(&u, sizeof(u)));
		guard_free(in);
	}
	struct uri u;

	assert_int_equal(uri_parse(S("sip:a\0b@h"), &u), ERR_SYNTAX);
	assert_int_equal(uri_parse(S("sip:a@h\0"), &u), ERR_SYNTAX);
	assert_int_equal(uri_parse(S("sip:a@h;p\0"), &u), ERR_SYNTAX);
	assert_int_equal(uri_parse(S("sip:a@h?p\0"), &u), ERR_SYNTAX);
	assert_int_equal(uri_parse(S("x\0y:z"), &u), ERR_SYNTAX);
	assert_int_equal(uri_parse(S("x:y\0"), &u), ERR_SYNTAX);
}

static void limit(void **state)
{
	struct buf b = {0};
	struct uri u;

	(void)state;
	buf_adds(&b, "sip:a@h;p=");
	while (b.n < SIP_URI_MAX)
		buf_addc(&b, 'x');
	assert_int_equal(uri_parse(slice_sub(buf_slice(&b), 0, b.n - 1), &u), ERR_OK);
	assert_int_equal(uri_parse(buf_slice(&b), &u), ERR_OK);
	buf_addc(&b, 'x');
	assert_int_equal(uri_parse(buf_slice(&b), &u), ERR_LIMIT);
	buf_free(&b);
}

static void check_prefix(struct slice in)
{
	struct uri u;
	enum err e;

	memset(&u, PREFIX_FILL, sizeof(u));
	e = uri_parse(in, &u);
	if (e == ERR_OK)
		assert_true(inside(in, u.text) && inside(in, u.user) && inside(in, u.password) && inside(in, u.host) &&
			    inside(in, u.params) && inside(in, u.headers));
	else
		assert_true(e == ERR_SYNTAX && untouched(&u, sizeof(u)));
}

static void prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		each_prefix(slice_str(good[i].text), check_prefix);
	for (size_t i = 0; i < COUNT(bad); i++)
		each_prefix(slice_str(bad[i]), check_prefix);
}

/* What a phone gives back: any letter of it may be escaped. */
static void plain(void **state)
{
	static const char *const spellings[] = {"rr-Zz_9", "rr-%5az_9", "%72%72%2D%5A%7a%5F%39", "rr-%5A%7A_9"};
	char out[7];

	(void)state;
	for (size_t i = 0; i < COUNT(spellings); i++)
		assert_true(slice_eq(uri_plain(slice_str(spellings[i]), out, sizeof(out)), S("rr-Zz_9")));
	assert_true(uri_plain(S("rr-Zz_9x"), out, sizeof(out)).p == NULL);
	assert_true(uri_plain(S("rr-%5"), out, sizeof(out)).p == NULL);
	assert_true(uri_plain(S("%zz"), out, sizeof(out)).p == NULL);
}

static bool equal(const char *a, const char *b)
{
	struct uri x, y;

	if (uri_parse(slice_str(a), &x) != ERR_OK || uri_parse(slice_str(b), &y) != ERR_OK)
		fail_msg("%s or %s cannot be read", a, b);
	assert_true(uri_equal(&x, &x) && uri_equal(&y, &y));
	assert_int_equal(uri_equal(&x, &y), uri_equal(&y, &x));
	return uri_equal(&x, &y);
}

/* RFC 3261 19.1.4: its examples first, then a row for each of its rules. */
static void comparison(void **state)
{
	static const char *const equals[][2] = {
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;security=on"},
		{"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
		 "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
		 "sip:alice@atlanta.com?priority=urgent&subject=project%20x"},
		{"sip:a%2Db@h", "sip:a-b@h"},
		{"sip:a%2db@h", "sip:a%2Db@h"},
		{"sip:a%3Bb@h", "sip:a%3bb@h"},
		{"sip:a@[2001:DB8::1]", "sip:a@[2001:db8::1]"},
		{"tel:+1", "tel:+1"},
	};
	static const char *const differ[][2] = {
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"},
		{"sip:a@h", "sips:a@h"},
		{"sip:h", "sip:a@h"},
		{"sip:a@h", "sip:a:@h"},
		{"sip:a:p@h", "sip:a:P@h"},
		{"sip:a@h:1", "sip:a@h:2"},
		{"sip:a@h", "sip:a@h;user=ip"},
		{"sip:a@h", "sip:a@h;ttl=1"},
		{"sip:a@h", "sip:a@h;method=INVITE"},
		{"sip:a@h", "sip:a@h;maddr=h"},
		{"sip:a@h?x=1", "sip:a@h?x=1&y=2"},
		{"sip:a@h?x=a", "sip:a@h?x=b"},
		{"sip:ab@h", "sip:a@h"},
		{"sip:a%00b@h", "sip:a@h"},
		{"sip:%00@h", "sip:%00%00@h"},
		/* Characters of the reserved set are not equivalent to their escapes. */
		{"sip:a%3Bb@h", "sip:a;b@h"},
		{"sip:a%2Fb@h", "sip:a/b@h"},
		{"sip:a%3Fb@h", "sip:a?b@h"},
		{"tel:+1", "tel:+2"},
		{"TEL:+1", "tel:+1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(equals); i++)
		if (!equal(equals[i][0], equals[i][1]))
			fail_msg("%s equals %s", equals[i][0], equals[i][1]);
	for (size_t i = 0; i < COUNT(differ); i++)
		if (equal(differ[i][0], differ[i][1]))
			fail_msg("%s does not equal %s", differ[i][0], differ[i][1]);
}

static void parameters(void **state)
{
	struct slice v;
	struct uri u;

	(void)state;
	assert_int_equal(uri_parse(S("sip:a@h:1;lr;Transport=tcp;x=;transport=udp?transport=sctp"), &u), ERR_OK);
	assert_true(uri_param(&u, S("transport"), &v) && slice_eq(v, S("tcp")));
	assert_true(uri_param(&u, S("LR"), &v) && v.p == NULL);
	assert_true(uri_param(&u, S("x"), &v) && v.p != NULL && v.n == 0);
	assert_false(uri_param(&u, S("trans"), &v));
	assert_int_equal(uri_parse(S("sip:a;lr@h"), &u), ERR_OK);
	assert_false(uri_param(&u, S("lr"), &v));
}

/* RFC 3261 10.3 step 5, RFC 5630 5.2; T-29. */
static void aor_keys(void **state)
{
	static const char *const rows[][2] = {
		{"sip:alice@example.com", "sip:alice@example.com"},
		{"sips:alice@EXAMPLE.com:5061;transport=tls?x=y", "sip:alice@example.com"},
		{"sip:Alice:pw@Example.COM", "sip:Alice@example.com"},
		{"sip:%61l%69ce@example.com", "sip:alice@example.com"},
		{"sip:a%40b@h", "sip:a%40b@h"},
		{"sip:a%20b@h", "sip:a%20b@h"},
		{"sip:a%3ab@h", "sip:a%3Ab@h"},
		{"sip:a%25b@h", "sip:a%25b@h"},
		{"sip:%00@h", "sip:%00@h"},
		{"sip:%00%00@h", "sip:%00%00@h"},
		{"sip:a%0d%0ab@h", "sip:a%0D%0Ab@h"},
		{"sip:caf%c3%a9@h", "sip:caf%C3%A9@h"},
		{"sip:a%3bb@h", "sip:a;b@h"},
		{"sip:a@Example.COM.", "sip:a@example.com"},
		{"sip:a@[2001:DB8::1]:5060", "sip:a@[2001:db8::1]"},
	};
	struct buf key = {0};
	struct uri u;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct uri again;

		buf_clear(&key);
		assert_int_equal(uri_parse(slice_str(rows[i][0]), &u), ERR_OK);
		assert_int_equal(uri_aor(&u, &key), ERR_OK);
		assert_string_equal(key.p, rows[i][1]);
		/* A key is a URI whose key it is itself. */
		struct buf twice = {0};

		assert_int_equal(uri_parse(buf_slice(&key), &again), ERR_OK);
		assert_int_equal(uri_aor(&again, &twice), ERR_OK);
		assert_string_equal(twice.p, key.p);
		buf_free(&twice);
	}
	buf_clear(&key);
	buf_adds(&key, "kept");
	assert_int_equal(uri_parse(S("tel:+1"), &u), ERR_OK);
	assert_int_equal(uri_aor(&u, &key), ERR_UNSUPPORTED);
	assert_int_equal(uri_parse(S("sip:example.com"), &u), ERR_OK);
	assert_int_equal(uri_aor(&u, &key), ERR_NOTFOUND);
	assert_string_equal(key.p, "kept");
	buf_free(&key);
}

static void aor_limit(void **state)
{
	struct buf text = {0}, key = {0};
	struct uri u;

	(void)state;
	for (size_t n = SIP_AOR_MAX - 1; n <= SIP_AOR_MAX + 1; n++) {
		buf_clear(&text);
		buf_clear(&key);
		buf_adds(&key, "kept");
		buf_adds(&text, "sip:");
		while (text.n < n - 2)
			buf_addc(&text, 'a');
		buf_adds(&text, "@h");
		assert_int_equal(uri_parse(buf_slice(&text), &u), ERR_OK);
		assert_int_equal(uri_aor(&u, &key), n <= SIP_AOR_MAX ? ERR_OK : ERR_LIMIT);
		assert_int_equal(key.n, 4 + (n <= SIP_AOR_MAX ? n : 0));
		/* Out as before, the NUL that a buffer keeps behind its octets included. */
		assert_int_equal(key.p[key.n], '\0');
	}
	buf_free(&text);
	buf_free(&key);
}

/* RFC 3261 19.1.1: a "?" in the user part is no beginning of header fields. */
static void target_has_no_header_fields(void **state)
{
	static const struct {
		const char *uri, *target;
	} rows[] = {{"sip:a@h?Subject=x", "sip:a@h"},
		    {"sip:a?b@h;lr?To=y&z=1", "sip:a?b@h;lr"},
		    {"sip:a?b@h", "sip:a?b@h"},
		    {"sip:h", "sip:h"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct uri u;

		assert_int_equal(uri_parse(slice_str(rows[i].uri), &u), ERR_OK);
		assert_true(slice_eq(uri_target(&u), slice_str(rows[i].target)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(target_has_no_header_fields),
		cmocka_unit_test(parse_good),
		cmocka_unit_test(parse_bad),
		cmocka_unit_test(limit),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(plain),
		cmocka_unit_test(comparison),
		cmocka_unit_test(parameters),
		cmocka_unit_test(aor_keys),
		cmocka_unit_test(aor_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
