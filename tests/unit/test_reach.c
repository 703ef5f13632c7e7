#include "tests/test.h"

#include <arpa/inet.h>
#include <ifaddrs.h>

#include "sip/locate/reach.h"

/* G44: addresses that a stranger must not aim this server at. */

static bool allows(const struct reach *r, const char *ip)
{
	struct peer p;

	assert_true(peer_of(slice_str(ip), 443, &p));
	return reach_allows(r, &p);
}

static void what_is_not_public_is_out_of_reach(void **state)
{
	static const char *const closed[] = {
		"0.0.0.0",
		"0.1.2.3",
		"10.0.0.1",
		"10.255.255.255",
		"100.64.0.1",
		"100.127.255.1",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
		"192.0.0.8",
		"192.88.99.1",
		"192.168.1.1",
		"198.18.0.1",
		"198.19.255.255",
		"224.0.0.1",
		"239.255.255.255",
		"240.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"::7f00:1",
		"::ffff:127.0.0.1",
		"::ffff:10.0.0.1",
		"64:ff9b::7f00:1",
		"::ffff:0:127.0.0.1",
		"::ffff:0:10.0.0.1",
		"64:ff9b::a00:1",
		"64:ff9b:1::1",
		"2002:7f00:1::1",
		"2002:c0a8:101::",
		"100::1",
		"2001::1",
		"2001:0:4136::1",
		"fc00::1",
		"fd12:3456::1",
		"fe80::1",
		"febf::1",
		"fec0::1",
		"ff02::1",
		"ff0e::1",
	};
	static const char *const open[] = {
		"1.1.1.1",         "9.255.255.255", "11.0.0.1",         "100.63.255.255",  "100.128.0.1",
		"126.0.0.1",       "128.0.0.1",     "169.253.0.1",      "172.15.0.1",      "172.32.0.1",
		"192.167.255.255", "192.169.0.1",   "198.17.255.255",   "198.20.0.1",      "223.255.255.1",
		"2606:4700::1",    "2a00:1450::1",  "64:ff9b::101:101", "2002:101:101::1",
	};
	const struct reach none = {.public = true};

	(void)state;
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
		if (allows(&none, closed[i]))
			fail_msg("%s", closed[i]);
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		if (!allows(&none, open[i]))
			fail_msg("%s", open[i]);
}

static void what_is_allowed_besides(void **state)
{
	struct reach r = {0};
	struct slice bad;

	(void)state;
	assert_true(reach_read(S("127.0.0.0/8,::1 , 10.1.2.0/23,[fd00::]/127, 192.168.0.9"), &r, &bad));
	assert_int_equal(r.count, 5);
	assert_true(allows(&r, "127.0.0.1") && allows(&r, "127.255.0.1") && allows(&r, "::1"));
	assert_true(allows(&r, "::ffff:127.0.0.1")); /* the same place */
	assert_true(allows(&r, "10.1.2.0") && allows(&r, "10.1.3.255"));
	assert_false(allows(&r, "10.1.1.255") || allows(&r, "10.1.4.0"));
	assert_true(allows(&r, "fd00::") && allows(&r, "fd00::1"));
	assert_false(allows(&r, "fd00::2") || allows(&r, "::"));
	assert_true(allows(&r, "192.168.0.9"));
	assert_false(allows(&r, "192.168.0.8"));
	r = (struct reach){0};
	assert_true(reach_read(S("0.0.0.0/0"), &r, &bad));
	assert_true(allows(&r, "127.0.0.1"));
	assert_false(allows(&r, "::1"));
	r = (struct reach){0};
	assert_true(reach_read(S(""), &r, &bad));
	assert_false(allows(&r, "127.0.0.1"));
}

/* proxy.reach: words for what an administrator thinks of. */
static void words(void **state)
{
	static const struct {
		const char *list, *ip;
		bool allowed;
	} rows[] = {
		{"public", "1.1.1.1", true},
		{"public", "192.168.3.4", false},
		{"private", "192.168.3.4", true},
		{"private", "172.31.0.9", true},
		{"private", "100.64.3.4", true},
		{"private", "fd00::9", true},
		{"private", "1.1.1.1", false},
		{"private", "127.0.0.1", false},
		{"private", "169.254.169.254", false},
		{"private", "fe80::1", false},
		{"public,private", "224.0.0.1", false},
		{"public, private", "::1", false},
		{"public, private, ::1", "::1", true},
		{"any", "127.0.0.1", true},
		{"any", "169.254.169.254", true},
		{"private", "64:ff9b::a00:1", true},
		{"", "1.1.1.1", false},
		{"public", "::ffff:10.0.0.1", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct reach r = {0};
		struct slice bad;

		assert_true(reach_read(slice_str(rows[i].list), &r, &bad));
		if (allows(&r, rows[i].ip) != rows[i].allowed)
			fail_msg("%s: %s", rows[i].list, rows[i].ip);
	}
}

static void what_is_no_list(void **state)
{
	static const char *const rows[][2] = {
		{"localhost", "localhost"}, {"10.0.0.0/33", "10.0.0.0/33"},
		{"::1/129", "::1/129"},     {"10.0.0.0/", "10.0.0.0/"},
		{"1.2.3.4, x", "x"},        {",1.2.3.4", ""},
		{"1.2.3", "1.2.3"},         {"1.2.3.4/-1", "1.2.3.4/-1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reach r = {0};
		struct slice bad;

		assert_false(reach_read(slice_str(rows[i][0]), &r, &bad));
		assert_true(slice_eq(bad, slice_str(rows[i][1])));
	}
}

/* Also the public addresses of this machine: what listens there may be for nobody else. */
static void this_machine_is_out_of_reach(void **state)
{
	const struct reach none = {.public = true};
	struct ifaddrs *all;

	(void)state;
	assert_int_equal(getifaddrs(&all), 0);
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		struct peer p = {0};

		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET)
			continue;
		p.u.in = *(const struct sockaddr_in *)(const void *)i->ifa_addr;
		assert_false(reach_allows(&none, &p));
	}
	freeifaddrs(all);
}

/* Loopback is an interface that every machine has; 198.51.100.0/24 is a network that none has (RFC 5737). */
static void networks_of_this_machine(void **state)
{
	static const struct {
		const char *a, *b;
		bool beside;
	} rows[] = {
		{"127.0.0.1", "127.9.9.9", true},     {"127.0.0.1", "::ffff:127.0.0.2", true},
		{"127.0.0.1", "128.0.0.1", false},    {"198.51.100.1", "198.51.100.2", false},
		{"198.51.100.1", "127.0.0.1", false}, {"::1", "127.0.0.1", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer a, b;

		assert_true(peer_of(slice_str(rows[i].a), 5060, &a) && peer_of(slice_str(rows[i].b), 5070, &b));
		if (reach_beside(&a, &b) != rows[i].beside || reach_beside(&b, &a) != rows[i].beside)
			fail_msg("%s %s", rows[i].a, rows[i].b);
	}
}

static void special_addresses(void **state)
{
	static const char *const special[] = {"10.0.0.1", "127.0.0.1", "169.254.1.1",     "224.0.1.75",     "::1",
					      "fe80::1",  "fd00::1",   "::ffff:10.0.0.1", "64:ff9b::a00:1", "0.0.0.0"};
	static const char *const common[] = {"192.0.2.1", "8.8.8.8", "2606:4700::1"};
	struct peer p;

	(void)state;
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		assert_true(peer_of(slice_str(special[i]), 0, &p) && reach_is_special(&p));
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		assert_true(peer_of(slice_str(common[i]), 0, &p) && !reach_is_special(&p));
}

/* What a server that the user has chosen may have his machine connect to. */
static void nothing_nearer_than_the_server(void **state)
{
	static const struct {
		const char *server, *at;
		bool allowed;
	} rows[] = {
		{"8.8.8.8", "1.1.1.1", true},        {"8.8.8.8", "127.0.0.1", false},
		{"8.8.8.8", "192.168.1.1", false},   {"8.8.8.8", "::1", false},
		{"8.8.8.8", "169.254.1.1", false},   {"8.8.8.8", "::ffff:127.0.0.1", false},
		{"10.1.1.1", "1.1.1.1", true},       {"10.1.1.1", "192.168.1.1", true},
		{"10.1.1.1", "127.0.0.1", false},    {"10.1.1.1", "169.254.1.1", false},
		{"fd00::1", "10.1.1.1", true},       {"fd00::1", "::1", false},
		{"127.0.0.1", "127.0.0.2", true},    {"127.0.0.1", "10.1.1.1", true},
		{"::1", "127.0.0.1", true},          {"::ffff:127.0.0.1", "::1", true},
		{"169.254.1.1", "127.0.0.1", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reach r = {.everywhere = true};
		struct peer server;

		assert_true(peer_of(slice_str(rows[i].server), 5061, &server));
		reach_no_nearer(&server, &r);
		if (allows(&r, rows[i].at) != rows[i].allowed)
			fail_msg("%s %s", rows[i].server, rows[i].at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_public_is_out_of_reach),
		cmocka_unit_test(what_is_allowed_besides),
		cmocka_unit_test(words),
		cmocka_unit_test(what_is_no_list),
		cmocka_unit_test(this_machine_is_out_of_reach),
		cmocka_unit_test(networks_of_this_machine),
		cmocka_unit_test(special_addresses),
		cmocka_unit_test(nothing_nearer_than_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
