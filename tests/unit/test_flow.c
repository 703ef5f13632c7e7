#include "tests/test.h"

#include "core/mem.h"
#include "sip/transport/flow.h"
#include "tests/unit/prefix.h"

static struct flow udp(const char *remote, const char *local)
{
	struct flow f = {.proto = PROTO_UDP};

	if (!peer_parse(slice_str(remote), &f.remote) || !peer_parse(slice_str(local), &f.local))
		fail_msg("%s %s", remote, local);
	return f;
}

static struct flow back(const struct flow *f)
{
	struct flow out;
	struct buf packed = {0};

	flow_pack(f, &packed);
	assert_true(packed.n <= FLOW_PACKED);
	assert_int_equal(flow_unpack(buf_slice(&packed), &out), ERR_OK);
	buf_free(&packed);
	return out;
}

static void packed_and_back(void **state)
{
	const struct flow flows[] = {
		udp("192.0.2.4:5070", "192.0.2.1:5060"),
		udp("[2001:db8::4]:65535", "[2001:db8::1]:1"),
		{.proto = PROTO_TCP, .id = 1},
		{.proto = PROTO_TLS, .id = UINT64_MAX - 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(flows); i++) {
		for (size_t k = 0; k < COUNT(flows); k++) {
			struct flow f = back(&flows[i]);

			assert_int_equal(flow_same(&f, &flows[k]), i == k);
		}
	}
}

/* Of the remote end only, and told from a whole flow. */
static void the_remote_end_alone(void **state)
{
	const char *const ends[] = {"192.0.2.4:5070", "[2001:db8::4]:65535"};

	(void)state;
	for (unsigned i = 0; i < 2 * (PROTO_TLS + 1); i++) {
		struct flow f = udp(ends[i % 2], "192.0.2.1:5060"), out;
		struct buf packed = {0};

		f.proto = (enum proto)(i / 2);
		f.id = f.proto != PROTO_UDP ? 7 : 0;
		flow_pack_remote(&f, &packed);
		assert_true(packed.n <= FLOW_PACKED);
		assert_int_equal(flow_unpack(buf_slice(&packed), &out), ERR_SYNTAX);
		for (size_t n = 0; n < packed.n; n++) {
			struct slice cut = guard_copy(slice_sub(buf_slice(&packed), 0, n));

			assert_int_equal(flow_unpack_remote(cut, &out), ERR_SYNTAX);
			guard_free(cut);
		}
		assert_int_equal(flow_unpack_remote(buf_slice(&packed), &out), ERR_OK);
		assert_true(out.proto == f.proto && out.id == 0 && peer_same(&out.remote, &f.remote));
		buf_clear(&packed);
		flow_pack(&f, &packed);
		assert_int_equal(flow_unpack_remote(buf_slice(&packed), &out), ERR_SYNTAX);
		buf_free(&packed);
	}
}

static void what_makes_a_udp_flow(void **state)
{
	const struct flow a = udp("192.0.2.4:5070", "192.0.2.1:5060"), port = udp("192.0.2.4:5071", "192.0.2.1:5060"),
			  other = udp("192.0.2.4:5070", "192.0.2.2:5060");

	(void)state;
	assert_true(flow_same(&a, &a));
	assert_false(flow_same(&a, &port));
	assert_false(flow_same(&a, &other));
}

static void nothing_else_is_a_flow(void **state)
{
	const struct flow flows[] = {udp("192.0.2.4:5070", "192.0.2.1:5060"),
				     udp("[2001:db8::4]:65535", "[2001:db8::1]:1"),
				     {.proto = PROTO_TLS, .id = 7}};
	struct flow out;

	(void)state;
	for (size_t i = 0; i < COUNT(flows); i++) {
		struct buf packed = {0};

		flow_pack(&flows[i], &packed);
		for (size_t n = 0; n < packed.n; n++) {
			struct slice cut = guard_copy(slice_sub(buf_slice(&packed), 0, n));

			assert_int_equal(flow_unpack(cut, &out), ERR_SYNTAX);
			guard_free(cut);
		}
		buf_addc(&packed, 'x');
		assert_int_equal(flow_unpack(buf_slice(&packed), &out), ERR_SYNTAX);
		packed.n--;
		packed.p[0] = (char)(packed.p[0] ^ 0x40);
		assert_int_equal(flow_unpack(buf_slice(&packed), &out), ERR_SYNTAX);
		packed.p[0] = (char)(packed.p[0] ^ 0x40 ^ 0x80);
		assert_int_equal(flow_unpack(buf_slice(&packed), &out), ERR_SYNTAX);
		buf_free(&packed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packed_and_back),
		cmocka_unit_test(the_remote_end_alone),
		cmocka_unit_test(what_makes_a_udp_flow),
		cmocka_unit_test(nothing_else_is_a_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
