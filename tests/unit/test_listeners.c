#include "tests/test.h"

#include "core/loop.h"
#include "sip/transport/listeners.h"

/* Which listener a message leaves by, and what it says of us; no socket is opened. */

static struct peer at(const char *text)
{
	struct peer p;

	assert_true(peer_parse(slice_str(text), &p));
	return p;
}

static void add(struct listeners *ls, enum proto proto, const char *where, const char *advertised)
{
	struct listener *l = &ls->list[ls->count++];

	*l = (struct listener){.proto = proto, .at = at(where)};
	listeners_advertise(l, slice_str(advertised));
}

static void by_port_and_address(void **state)
{
	static const struct {
		enum proto proto;
		const char *local, *listener; /* NULL: none of the family */
	} rows[] = {
		{PROTO_UDP, "10.0.0.1:5060", "10.0.0.1:5060"},
		{PROTO_UDP, "10.0.0.1:5080", "0.0.0.0:5080"},
		{PROTO_UDP, "10.0.0.2:5080", "0.0.0.0:5080"},
		{PROTO_UDP, "10.0.0.1:0", "10.0.0.1:5060"},
		{PROTO_UDP, "10.0.0.9:0", "0.0.0.0:5080"},
		{PROTO_TCP, "10.0.0.9:40000", "10.0.0.1:5060"}, /* nothing fits: the first */
		{PROTO_TCP, "10.0.0.2:40000", "10.0.0.2:5060"},
		{PROTO_UDP, "[2001:db8::1]:5060", NULL},
		{PROTO_TLS, "10.0.0.1:5061", NULL},
	};
	struct loop *loop = loop_new();
	struct listeners ls;

	(void)state;
	listeners_init(&ls, loop);
	add(&ls, PROTO_UDP, "10.0.0.1:5060", "");
	add(&ls, PROTO_UDP, "0.0.0.0:5080", "");
	add(&ls, PROTO_TCP, "10.0.0.1:5060", "");
	add(&ls, PROTO_TCP, "10.0.0.2:5060", "");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct peer local = at(rows[i].local);
		const struct listener *l = listeners_of(&ls, rows[i].proto, &local);

		if (rows[i].listener == NULL)
			assert_null(l);
		else
			assert_string_equal(peer_text(&l->at).text, rows[i].listener);
	}
	listeners_free(&ls);
	loop_free(loop);
}

static void names(void **state)
{
	static const struct {
		const char *where, *advertised, *local, *name;
	} rows[] = {
		{"0.0.0.0:5060", "", "10.0.0.1:5060", "10.0.0.1:5060"},
		{"0.0.0.0:5060", "", "10.0.0.1:40000", "10.0.0.1:5060"},
		{"[::]:5060", "", "[2001:db8::1]:40000", "[2001:db8::1]:5060"},
		{"10.0.0.1:5060", "", "10.0.0.1:40000", "10.0.0.1:5060"},
		{"0.0.0.0:5060", "sip.example.com", "10.0.0.1:5060", "sip.example.com:5060"},
		{"10.0.0.1:5060", "sip.example.com:15060", "10.0.0.1:5060", "sip.example.com:15060"},
		{"[::]:5060", "[2001:db8::7]", "[2001:db8::1]:5060", "[2001:db8::7]:5060"},
	};
	struct loop *loop = loop_new();

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flow f = {.proto = PROTO_TCP, .local = at(rows[i].local)};
		struct listeners ls;

		listeners_init(&ls, loop);
		add(&ls, PROTO_TCP, rows[i].where, rows[i].advertised);
		assert_string_equal(listeners_name(&ls, &f).text, rows[i].name);
		listeners_free(&ls);
	}
	loop_free(loop);
}

static void what_is_ours(void **state)
{
	static const struct {
		const char *host;
		uint32_t port;
		bool own;
	} rows[] = {
		{"10.0.0.1", 5060, true},
		{"10.0.0.1", 0, true},
		{"10.0.0.1", 5080, false},
		{"10.0.0.2", 5060, false},
		{"sip.example.com", 0, false},
		{"SIP.example.com", 15060, true},
		{"sip.example.com", 5060, false},
		{"example.com", 15060, false},
		{"::1", 5060, false},
		{"10.0.0.1", LISTENERS_ANY_PORT, true},
		{"sip.example.com", LISTENERS_ANY_PORT, true},
		{"10.0.0.2", LISTENERS_ANY_PORT, false},
	};
	struct loop *loop = loop_new();
	struct peer local = at("10.0.0.1:5060");
	struct listeners ls;

	(void)state;
	listeners_init(&ls, loop);
	add(&ls, PROTO_UDP, "0.0.0.0:5060", "");
	add(&ls, PROTO_TCP, "0.0.0.0:5062", "sip.example.com:15060");
	for (size_t i = 0; i < COUNT(rows); i++)
		if (listeners_is_own(&ls, &local, slice_str(rows[i].host), rows[i].port) != rows[i].own)
			fail_msg("%s:%u", rows[i].host, rows[i].port);
	listeners_free(&ls);
	loop_free(loop);
}

/* The kernel is asked; to this host there is always a way. */
static void towards(void **state)
{
	struct loop *loop = loop_new();
	struct locals *x = locals_new(loop);
	struct peer remote = at("127.0.0.9:5060"), other = at("[::1]:5060"), local = at("0.0.0.0:5070");

	(void)state;
	for (unsigned i = 0; i < 2; i++) { /* asked, and remembered */
		assert_true(locals_towards(x, &remote, &local));
		assert_string_equal(peer_text(&local).text, "127.0.0.1:5070");
		local = at("0.0.0.0:5070");
	}
	if (locals_towards(x, &other, &local))
		assert_string_equal(peer_text(&local).text, "[::1]:5070");
	locals_free(x);
	loop_free(loop);
}

static void own_addresses(void **state)
{
	static const struct {
		const char *address;
		bool own;
	} rows[] = {
		{"127.0.0.1:5060", true}, {"[::ffff:127.0.0.1]:1", true}, {"127.0.0.9:0", false},
		{"192.0.2.77:0", false},  {"[2001:db8::77]:0", false},
	};
	struct loop *loop = loop_new();
	struct locals *x = locals_new(loop);

	(void)state;
	for (unsigned i = 0; i < 2 * COUNT(rows); i++) { /* asked, and remembered */
		struct peer p = at(rows[i % COUNT(rows)].address);

		assert_int_equal(local_is_own(&p), rows[i % COUNT(rows)].own);
		assert_int_equal(locals_has(x, &p), rows[i % COUNT(rows)].own);
	}
	locals_free(x);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_port_and_address), cmocka_unit_test(names),
		cmocka_unit_test(what_is_ours),        cmocka_unit_test(towards),
		cmocka_unit_test(own_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
