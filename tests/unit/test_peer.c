#include "tests/test.h"

#include "sip/transport/peer.h"
#include "tests/unit/prefix.h"

static struct peer of(const char *text)
{
	struct peer p;

	if (!peer_parse(slice_str(text), &p))
		fail_msg("%s", text);
	return p;
}

static void parse_and_print(void **state)
{
	static const struct {
		const char *text, *ip, *host, *printed;
		uint16_t port;
		bool any;
	} rows[] = {
		{"192.0.2.1:5060", "192.0.2.1", "192.0.2.1", "192.0.2.1:5060", 5060, false},
		{"0.0.0.0:0", "0.0.0.0", "0.0.0.0", "0.0.0.0:0", 0, true},
		{"127.0.0.1:65535", "127.0.0.1", "127.0.0.1", "127.0.0.1:65535", 65535, false},
		{"[::]:5061", "::", "[::]", "[::]:5061", 5061, true},
		{"[2001:DB8:0:0::1]:1", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:1", 1, false},
		{"[2001:db8:1:2:3:4:5:6]:65535", "2001:db8:1:2:3:4:5:6", "[2001:db8:1:2:3:4:5:6]",
		 "[2001:db8:1:2:3:4:5:6]:65535", 65535, false},
		/* A mapped address is the IPv4 host that it stands for. */
		{"[::ffff:192.0.2.10]:19823", "192.0.2.10", "192.0.2.10", "192.0.2.10:19823", 19823, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i].text));
		struct peer p;

		assert_true(peer_parse(in, &p));
		assert_string_equal(peer_ip(&p).text, rows[i].ip);
		assert_string_equal(peer_host(&p).text, rows[i].host);
		assert_string_equal(peer_text(&p).text, rows[i].printed);
		assert_int_equal(peer_port(&p), rows[i].port);
		assert_int_equal(peer_is_any(&p), rows[i].any);
		assert_int_equal(peer_len(&p), p.u.sa.sa_family == AF_INET ? sizeof(p.u.in) : sizeof(p.u.in6));
		guard_free(in);
	}
}

static void refused(void **state)
{
	static const char *const bad[] = {"",
					  ":",
					  ":5060",
					  "192.0.2.1",
					  "192.0.2.1:",
					  "192.0.2.1:65536",
					  "192.0.2.1:-1",
					  "192.0.2.1:x",
					  "192.0.2.1:5060 ",
					  "192.0.2:5060",
					  "192.0.2.256:1",
					  "192.0.2.1.5:1",
					  "::1:5060",
					  "::1",
					  "[::1]",
					  "[::1]5060",
					  "[::1:5060",
					  "::1]:5060",
					  "[]:1",
					  "[:::1]:1",
					  "[::1%lo]:1",
					  "example.com:5060",
					  "[example.com]:1",
					  " 192.0.2.1:1",
					  "192.0.2.1:4294972356",
					  "1:2:3"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct slice in = guard_copy(slice_str(bad[i]));
		struct peer p;

		memset(&p, PREFIX_FILL, sizeof(p));
		if (peer_parse(in, &p))
			fail_msg("\"%s\"", bad[i]);
		assert_true(untouched(&p, sizeof(p)));
		guard_free(in);
	}
	struct peer p;

	assert_false(peer_parse(S("192.0.2.1\0:1"), &p));
	assert_false(peer_of(S("192.0.2.1\0"), 1, &p));
	assert_false(peer_of(S("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"), 1, &p));
	assert_false(peer_of(SLICE_NONE, 1, &p));
	assert_true(peer_of(S("[2001:db8::1]"), 7, &p));
	assert_string_equal(peer_text(&p).text, "[2001:db8::1]:7");
	assert_true(peer_of(S("2001:db8::1"), 0, &p));
	peer_set_port(&p, 9);
	assert_int_equal(peer_port(&p), 9);
	assert_true(peer_of(S("192.0.2.1"), 8, &p));
	peer_set_port(&p, 65535);
	assert_string_equal(peer_text(&p).text, "192.0.2.1:65535");
}

static void equality(void **state)
{
	static const struct {
		const char *a, *b;
		bool host, both;
	} rows[] = {
		{"192.0.2.1:1", "192.0.2.1:1", true, true},
		{"192.0.2.1:1", "192.0.2.1:2", true, false},
		{"192.0.2.1:1", "192.0.2.2:1", false, false},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", true, true},
		{"[::ffff:192.0.2.1]:1", "[::ffff:c000:201]:1", true, true},
		{"192.0.2.1:1", "[::192.0.2.1]:1", false, false}, /* compatible, not mapped */
		{"[2001:db8::1]:1", "[2001:DB8:0::1]:1", true, true},
		{"[2001:db8::1]:1", "[2001:db8::2]:1", false, false},
		{"[c000:201::]:1", "192.0.2.1:1", false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct peer a = of(rows[i].a), b = of(rows[i].b);

		if (peer_same_host(&a, &b) != rows[i].host || peer_same_host(&b, &a) != rows[i].host ||
		    peer_same(&a, &b) != rows[i].both || peer_same(&b, &a) != rows[i].both)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
	}
}

/* One source: an IPv4 address, also as a mapped one, or the /64 that a site has of IPv6. */
static void prefixes_of_sources(void **state)
{
	struct peer v4 = of("192.0.2.1:1"), mapped = of("[::ffff:192.0.2.1]:2"), other = of("192.0.2.2:1"),
		    a = of("[2001:db8:1:2::1]:1"), b = of("[2001:db8:1:2:ffff::9]:2"), c = of("[2001:db8:1:3::1]:1");

	(void)state;
	assert_true(slice_eq(peer_prefix(&v4), S("\xc0\x00\x02\x01")));
	assert_true(slice_eq(peer_prefix(&v4), peer_prefix(&mapped)));
	assert_false(slice_eq(peer_prefix(&v4), peer_prefix(&other)));
	assert_true(slice_eq(peer_prefix(&a), S("\x20\x01\x0d\xb8\x00\x01\x00\x02")));
	assert_true(slice_eq(peer_prefix(&a), peer_prefix(&b)));
	assert_false(slice_eq(peer_prefix(&a), peer_prefix(&c)));
}

static void check_prefix(struct slice in)
{
	struct peer p;

	if (peer_parse(in, &p))
		assert_true(peer_text(&p).text[0] != '?');
	if (peer_of(in, 1, &p))
		assert_int_equal(peer_port(&p), 1);
}

static void prefixes(void **state)
{
	(void)state;
	each_prefix(S("192.0.2.123:65535"), check_prefix);
	each_prefix(S("[2001:db8:1:2:3:4:192.168.100.200]:65535"), check_prefix);
}

static void odd_spellings(void **state)
{
	static const struct {
		const char *host, *first, *second; /* NULL: no such reading */
	} rows[] = {
		{"10.1.2.3", "10.1.2.3", NULL},
		{"10.1.2.3.", "10.1.2.3", NULL},
		{"[2001:db8::1]", "2001:db8::1", NULL},
		{"010.001.02.3", "10.1.2.3", "8.1.2.3"},
		{"0.00.000.0", "0.0.0.0", "0.0.0.0"},
		{"10.0.0.10", "10.0.0.10", NULL},
		{"10.1", "10.0.0.1", NULL},
		{"167772161", "10.0.0.1", NULL},
		{"0x0a000001", "10.0.0.1", NULL},
		{"0xa.1.2.0x3", "10.1.2.3", NULL},
		{"09.1.2.3", "9.1.2.3", NULL},
		{"example.com", NULL, NULL},
		{"", NULL, NULL},
		{".", NULL, NULL},
		{"10.1.2.3..", NULL, NULL},
		{"1.2.3.4.5", NULL, NULL},
		{"00", "0.0.0.0", NULL},
		{"99999999999999999999999999999999999999999999999999", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice in = guard_copy(slice_str(rows[i].host));
		struct peer found[PEER_READINGS];
		unsigned n = peer_readings(in, found);
		unsigned expected = (rows[i].first != NULL) + (rows[i].second != NULL);

		if (n != expected)
			fail_msg("%s: %u readings", rows[i].host, n);
		if (n > 0)
			assert_string_equal(peer_ip(&found[0]).text, rows[i].first);
		if (n > 1)
			assert_string_equal(peer_ip(&found[1]).text, rows[i].second);
		guard_free(in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_and_print),     cmocka_unit_test(refused),  cmocka_unit_test(equality),
		cmocka_unit_test(prefixes_of_sources), cmocka_unit_test(prefixes), cmocka_unit_test(odd_spellings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
