#include "tests/test.h"

#include "crypto/rng.h"
#include "sip/locate/hops.h"

/* The order of next hops: RFC 2782 priorities and weights, RFC 3261 18.1.1, and addresses that no request goes to. */

static uint32_t draws[64];
static unsigned drawn;

static uint32_t scripted(uint32_t n)
{
	uint32_t v = draws[drawn++ % 64];

	return v < n ? v : n - 1;
}

static void put(struct places *p, const char *at, enum proto proto, uint16_t group, uint16_t priority, uint16_t weight)
{
	const struct place place = {.group = group, .priority = priority, .weight = weight, .proto = proto};
	struct peer peer;

	assert_true(peer_parse(slice_str(at), &peer));
	assert_true(hops_place_add(p, place, &peer, 1, peer_port(&peer)));
}

/* "udp 127.0.0.1:1, tls ..." of all hops. */
static const char *text(const struct hops *h)
{
	static char out[1024];

	out[0] = '\0';
	for (unsigned i = 0; i < h->count; i++)
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s %s", i == 0 ? "" : ", ",
			 flow_proto_name(h->hops[i].proto), peer_text(&h->hops[i].at).text);
	return out;
}

static const char *draw(const struct places *p, unsigned protos, bool large)
{
	static struct hops h;

	hops_draw(p, protos, large, S("example.com"), scripted, &h);
	return text(&h);
}

static void priorities_before_weights(void **state)
{
	struct places p = {0};

	(void)state;
	put(&p, "10.0.0.3:3", PROTO_UDP, 0, 20, 65535);
	put(&p, "10.0.0.1:1", PROTO_UDP, 0, 10, 0);
	put(&p, "10.0.0.2:2", PROTO_UDP, 0, 10, 5);
	put(&p, "10.0.0.4:4", PROTO_TCP, 1, 0, 0);
	memset(draws, 0, sizeof(draws));
	assert_string_equal(draw(&p, PROTOS_ALL, false),
			    "UDP 10.0.0.1:1, UDP 10.0.0.2:2, UDP 10.0.0.3:3, TCP 10.0.0.4:4");
	drawn = 0;
	draws[0] = 1;
	assert_string_equal(draw(&p, PROTOS_ALL, false),
			    "UDP 10.0.0.2:2, UDP 10.0.0.1:1, UDP 10.0.0.3:3, TCP 10.0.0.4:4");
}

/* 10,000 draws of 1 : 3 : 6; four standard deviations of the rarest are 120. */
static void weights_share_the_load(void **state)
{
	struct places p = {0};
	unsigned first[3] = {0}, second[3] = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		put(&p, (const char *[]){"10.0.0.1:5060", "10.0.0.2:5060", "10.0.0.3:5060"}[i], PROTO_UDP, 0, 1,
		    (uint16_t[]){1000, 3000, 6000}[i]);
	for (unsigned i = 0; i < 10000; i++) {
		struct hops h;

		hops_draw(&p, PROTOS_ALL, false, SLICE_NONE, rng_below, &h);
		assert_int_equal(h.count, 3);
		first[(ntohl(h.hops[0].at.u.in.sin_addr.s_addr) & 3) - 1]++;
		second[(ntohl(h.hops[1].at.u.in.sin_addr.s_addr) & 3) - 1]++;
	}
	assert_in_range(first[0], 1000 - 200, 1000 + 200);
	assert_in_range(first[1], 3000 - 200, 3000 + 200);
	assert_in_range(first[2], 6000 - 200, 6000 + 200);
	/* The second draw is of those that are left: 6000 * 3/4 + 1000 * 3/9 and so on. */
	assert_in_range(second[1], 4833 - 250, 4833 + 250);
}

/* RFC 2782: weight 0 beside others has "a very small chance of being selected", but all zero is any order. */
static void weight_zero(void **state)
{
	struct places p = {0}, zero = {0};
	unsigned seldom = 0, half = 0;

	(void)state;
	put(&p, "10.0.0.1:5060", PROTO_UDP, 0, 1, 0);
	put(&p, "10.0.0.2:5060", PROTO_UDP, 0, 1, 99);
	put(&zero, "10.0.0.1:5060", PROTO_UDP, 0, 1, 0);
	put(&zero, "10.0.0.2:5060", PROTO_UDP, 0, 1, 0);
	for (unsigned i = 0; i < 10000; i++) {
		struct hops h;

		hops_draw(&p, PROTOS_ALL, false, SLICE_NONE, rng_below, &h);
		seldom += peer_port(&h.hops[0].at) != 0 && (ntohl(h.hops[0].at.u.in.sin_addr.s_addr) & 3) == 1;
		hops_draw(&zero, PROTOS_ALL, false, SLICE_NONE, rng_below, &h);
		half += (ntohl(h.hops[0].at.u.in.sin_addr.s_addr) & 3) == 1;
	}
	assert_in_range(seldom, 40, 200);
	assert_in_range(half, 1, 10000);
}

static void large_requests_over_tcp(void **state)
{
	struct places p = {0}, only_udp = {0};

	(void)state;
	memset(draws, 0, sizeof(draws));
	put(&p, "10.0.0.1:5060", PROTO_UDP, 0, 0, 0);
	put(&p, "10.0.0.2:5060", PROTO_TCP, 1, 0, 0);
	put(&p, "10.0.0.3:5061", PROTO_TLS, 2, 0, 0);
	assert_string_equal(draw(&p, PROTOS_ALL, false), "UDP 10.0.0.1:5060, TCP 10.0.0.2:5060, TLS 10.0.0.3:5061");
	assert_string_equal(draw(&p, PROTOS_ALL, true), "TCP 10.0.0.2:5060, TLS 10.0.0.3:5061, UDP 10.0.0.1:5060");
	put(&only_udp, "10.0.0.1:5060", PROTO_UDP, 0, 0, 0);
	put(&only_udp, "10.0.0.2:5060", PROTO_UDP, 0, 1, 0);
	assert_string_equal(draw(&only_udp, PROTOS_ALL, true),
			    "TCP 10.0.0.1:5060, UDP 10.0.0.1:5060, TCP 10.0.0.2:5060, UDP 10.0.0.2:5060");
	assert_string_equal(draw(&only_udp, PROTO_BIT(PROTO_UDP), true), "UDP 10.0.0.1:5060, UDP 10.0.0.2:5060");
	only_udp.demanded = true;
	assert_string_equal(draw(&only_udp, PROTOS_ALL, true), "UDP 10.0.0.1:5060, UDP 10.0.0.2:5060");
}

/* A domain that likes TLS best gets nothing in the clear; one that demanded a list gets the list. */
static void no_way_down_from_tls(void **state)
{
	struct places p = {0};
	struct hops h;

	(void)state;
	memset(draws, 0, sizeof(draws));
	put(&p, "10.0.0.1:5061", PROTO_TLS, 0, 0, 0);
	put(&p, "10.0.0.2:5060", PROTO_UDP, 1, 0, 0);
	assert_string_equal(draw(&p, PROTOS_ALL, false), "TLS 10.0.0.1:5061");
	assert_string_equal(draw(&p, PROTOS_ALL, true), "TLS 10.0.0.1:5061");
	p.demanded = true;
	assert_string_equal(draw(&p, PROTOS_ALL, false), "TLS 10.0.0.1:5061, UDP 10.0.0.2:5060");
	hops_draw(&p, PROTOS_ALL, false, S("example.com"), scripted, &h);
	assert_string_equal(h.name, "example.com");
}

static void addresses_that_no_request_goes_to(void **state)
{
	static const char *const bad[] = {
		"0.0.0.0:5060",   "0.1.2.3:5060", "224.0.1.75:5060",       "255.255.255.255:5060",   "[::]:5060",
		"[ff02::1]:5060", "127.0.0.1:0",  "[::ffff:0.0.0.0]:5060", "[::ffff:224.0.0.1]:5060"};
	struct places p = {0};
	struct peer peer;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(peer_parse(slice_str(bad[i]), &peer));
		assert_false(hops_place_add(&p, (struct place){0}, &peer, 1, peer_port(&peer)));
	}
	assert_int_equal(p.count + p.peer_count, 0);
	put(&p, "[::ffff:10.0.0.1]:7", PROTO_UDP, 0, 0, 0);
	assert_int_equal(p.peers[0].u.sa.sa_family, AF_INET);
}

static void tables_have_an_end(void **state)
{
	struct places p = {0};
	struct peer peers[8];
	struct hops h;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		assert_true(peer_of(S("10.0.0.1"), 0, &peers[i]));
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned k = 0; k < 8; k++)
			peers[k].u.in.sin_addr.s_addr = htonl(0x0a000001 + i * 8 + k);
		hops_place_add(&p, (struct place){.priority = (uint16_t)i}, peers, 8, 5060);
	}
	assert_int_equal(p.peer_count, PLACE_PEERS_MAX);
	hops_draw(&p, PROTOS_ALL, true, S("x"), rng_below, &h);
	assert_int_equal(h.count, HOPS_MAX);
	/* The same address twice is one hop. */
	memset(&p, 0, sizeof(p));
	put(&p, "10.0.0.1:5060", PROTO_UDP, 0, 0, 0);
	put(&p, "10.0.0.1:5060", PROTO_UDP, 0, 1, 0);
	put(&p, "10.0.0.1:5061", PROTO_UDP, 0, 2, 0);
	assert_string_equal(draw(&p, PROTOS_ALL, false), "UDP 10.0.0.1:5060, UDP 10.0.0.1:5061");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(priorities_before_weights),
		cmocka_unit_test(weights_share_the_load),
		cmocka_unit_test(weight_zero),
		cmocka_unit_test(large_requests_over_tcp),
		cmocka_unit_test(no_way_down_from_tls),
		cmocka_unit_test(addresses_that_no_request_goes_to),
		cmocka_unit_test(tables_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
