#include "tests/test.h"

#include "core/buf.h"
#include "sip/message/limits.h"
#include "sip/message/via.h"
#include "tests/unit/prefix.h"

struct row {
	const char *text, *transport, *host;
	uint32_t port;
	const char *branch, *received; /* NULL: absent */
	bool rport, magic;
};

/* RFC 3261 20.42, RFC 3581 4, RFC 4475 3.1.1, RFC 5118 4.5. */
static const struct row good[] = {
	{"SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7", "UDP", "erlang.bell-telephone.com", 5060,
	 "z9hG4bK87asdks7", NULL, false, true},
	{"SIP/2.0/UDP 192.0.2.1:5060 ;received=192.0.2.207\r\n ;branch=z9hG4bK77asjd", "UDP", "192.0.2.1", 5060,
	 "z9hG4bK77asjd", "192.0.2.207", false, true},
	{"SIP / 2.0 / UDP first.example.com: 4000;ttl=16\r\n ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1", "UDP",
	 "first.example.com", 4000, "z9hG4bKa7c6a8dlze.1", NULL, false, true},
	{"SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff", "UDP", "10.1.1.1", 4540, "z9hG4bKkjshdyff", NULL,
	 true, true},
	{"SIP/2.0/UDP 10.1.1.1:4540;received=192.0.2.1;rport=9988;branch=z9hG4bKkjshdyff", "UDP", "10.1.1.1", 4540,
	 "z9hG4bKkjshdyff", "192.0.2.1", true, true},
	{"SIP  / 2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw", "UDP", "192.0.2.2", 0, "390skdjuw", NULL, false,
	 false},
	{"SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8", "TCP", "spindle.example.com", 0,
	 "z9hG4bK9ikj8", NULL, false, true},
	{"SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bK1", "UNKNOWN", "t4.example.com", 0, "z9hG4bK1", NULL, false,
	 true},
	{"sip/2.0/tls h", "tls", "h", 0, NULL, NULL, false, false},
	{"SIP/2.0/UDP h;branch=Z9HG4BKx", "UDP", "h", 0, "Z9HG4BKx", NULL, false, true},
	/* RFC 4475 3.2.1: nothing behind the cookie identifies no transaction. */
	{"SIP/2.0/UDP h;branch=z9hG4bK", "UDP", "h", 0, "z9hG4bK", NULL, false, false},
	{"SIP/2.0/UDP [2001:db8::9:1]:5070;received=[2001:db8::9:255];branch=z9hG4bKas3-111", "UDP", "[2001:db8::9:1]",
	 5070, "z9hG4bKas3-111", "[2001:db8::9:255]", false, true},
	{"SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3", "UDP", "[2001:db8::9:1]", 0,
	 "z9hG4bKas3", "2001:db8::9:255", false, true},
	{"SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19", "UDP", "[::ffff:192.0.2.10]", 19823, "z9hG4bKbh19",
	 NULL, false, true},
	{"SIP/2.0/UDP h;x=\"(\";branch=z9hG4bK1", "UDP", "h", 0, "z9hG4bK1", NULL, false, true},
	{"SIP/2.0/UDP h;Received=1.2.3.4;BRANCH=z9hG4bK1;RPort", "UDP", "h", 0, "z9hG4bK1", "1.2.3.4", true, true},
};

static const char *const bad[] = {
	"",
	"SIP/2.0/UDP",
	"SIP/2.0/UDP ",
	"SIP/2.0 h",
	"SIP/2.0/ h",
	"/2.0/UDP h",
	"SIP//UDP h",
	"SIP/7.0/UDP h;branch=",
	"SIP/2.0/UDP:h",
	"SIP/2.0/UDP ;branch=z9hG4bK1",
	"SIP/2.0/UDP 192.0.2.15;;,;,,", /* RFC 4475 3.1.2.1 */
	"SIP/2.0/UDP h:",
	"SIP/2.0/UDP h:0",
	"SIP/2.0/UDP h:65536",
	"SIP/2.0/UDP h:4294972356",
	"SIP/2.0/UDP h:-1",
	"SIP/2.0/UDP h:x",
	"SIP/2.0/UDP h:1 2",
	"SIP/2.0/UDP h h",
	/* The comments of RFC 2543, which other readers take for a part of the branch. */
	"SIP/2.0/UDP h:5060;branch=z9hG4bK1 (Acme server)",
	"SIP/2.0/UDP h;branch=z9hG4bK1(x",
	"SIP/2.0/UDP h (Acme)",
	"SIP/2.0/UDP h;branch=z9hG4bK1;branch=z9hG4bK2",
	"SIP/2.0/UDP h;branch;branch=z9hG4bK2",
	"SIP/2.0/UDP h;received=192.0.2.1;Received=192.0.2.2",
	"SIP/2.0/UDP h;",
	"SIP/2.0/UDP h;branch=",
	"SIP/2.0/UDP h;branch=\"x",
	"SIP/2.0/UDP 2001:db8::1",
	"SIP/2.0/UDP [2001:db8::1",
	"SIP/2.0/UDP p1@visited.net",
	"SIP/2.0/UDP a,SIP/2.0/UDP b",
};

static void parse_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const struct row *r = &good[i];
		struct slice in = guard_copy(slice_str(r->text));
		struct via v;

		if (via_parse(in, &v) != ERR_OK)
			fail_msg("%s", r->text);
		if (!is_text(v.transport, r->transport) || !is_text(v.host, r->host) || v.port != r->port ||
		    !is_text(v.branch, r->branch) || !is_text(v.received, r->received) || v.rport != r->rport ||
		    via_is_rfc3261(&v) != r->magic)
			fail_msg("the parts of %s", r->text);
		assert_true(slice_eq(v.text, in));
		guard_free(in);
	}
}

static void parse_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct slice in = guard_copy(slice_str(bad[i]));
		struct via v;

		memset(&v, PREFIX_FILL, sizeof(v));
		if (via_parse(in, &v) != ERR_SYNTAX)
			fail_msg("\"%s\"", bad[i]);
		assert_true(untouched(&v, sizeof(v)));
		guard_free(in);
	}
	struct via v;

	assert_int_equal(via_parse(S("SIP/2.0/UDP h\0"), &v), ERR_SYNTAX);
	assert_int_equal(via_parse(S("SIP/2.0/UDP h;branch=\0"), &v), ERR_SYNTAX);
}

/* RFC 4475 3.1.2.16: refused, but the answer finds its way. */
static void other_protocols(void **state)
{
	static const char *const rows[] = {"SIP/7.0/UDP h:9;branch=z9hG4bK1", "SIP/2.00/UDP h:9;branch=z9hG4bK1",
					   "HTTP/2.0/UDP h:9;branch=z9hG4bK1"};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct via v;

		assert_int_equal(via_parse(slice_str(rows[i]), &v), ERR_UNSUPPORTED);
		assert_true(slice_eq(v.host, S("h")) && v.port == 9 && slice_eq(v.branch, S("z9hG4bK1")));
	}
}

static void parameter_limit(void **state)
{
	struct buf b = {0};
	struct via v;

	(void)state;
	buf_adds(&b, "SIP/2.0/UDP h");
	for (int i = 1; i <= SIP_PARAMS_MAX + 1; i++) {
		buf_addf(&b, ";p%d", i);
		assert_int_equal(via_parse(buf_slice(&b), &v), i <= SIP_PARAMS_MAX ? ERR_OK : ERR_SYNTAX);
	}
	buf_free(&b);
}

static void check_prefix(struct slice in)
{
	struct via v;
	enum err e;

	memset(&v, PREFIX_FILL, sizeof(v));
	e = via_parse(in, &v);
	if (e == ERR_OK || e == ERR_UNSUPPORTED)
		assert_true(inside(in, v.text) && inside(in, v.transport) && inside(in, v.host) &&
			    inside(in, v.params) && inside(in, v.branch) && inside(in, v.received));
	else
		assert_true(e == ERR_SYNTAX && untouched(&v, sizeof(v)));
}

static void prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		each_prefix(slice_str(good[i].text), check_prefix);
	each_prefix(S("SIP/7.0/UDP h:9;branch=z9hG4bK1"), check_prefix);
	for (size_t i = 0; i < COUNT(bad); i++)
		each_prefix(slice_str(bad[i]), check_prefix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_good),      cmocka_unit_test(parse_bad), cmocka_unit_test(other_protocols),
		cmocka_unit_test(parameter_limit), cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
