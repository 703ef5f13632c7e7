#include "tests/test.h"

#include "store/subscription.h"
#include "tests/unit/prefix.h"

static bool same(const struct subscription *a, const struct subscription *b)
{
	return slice_eq(a->aor, b->aor) && slice_eq(a->package, b->package) && slice_eq(a->event_id, b->event_id) &&
	       slice_eq(a->call_id, b->call_id) && slice_eq(a->local_tag, b->local_tag) &&
	       slice_eq(a->remote_tag, b->remote_tag) && slice_eq(a->local, b->local) &&
	       slice_eq(a->remote, b->remote) && slice_eq(a->target, b->target) && slice_eq(a->contact, b->contact) &&
	       slice_eq(a->routes, b->routes) && slice_eq(a->peer, b->peer) && slice_eq(a->etag, b->etag) &&
	       a->proto == b->proto && a->local_cseq == b->local_cseq && a->remote_cseq == b->remote_cseq &&
	       a->expires == b->expires;
}

static const struct subscription plain = {
	.aor = TEXT("sip:alice@example.com"),
	.package = TEXT("certificate"),
	.call_id = TEXT("a84b4c76e66710@pc33"),
	.local_tag = TEXT("a6c85cf"),
	.remote_tag = TEXT("1928301774"),
	.local = TEXT("<sip:alice@example.com>;tag=a6c85cf"),
	.remote = TEXT("\"B = 100%\" <sip:bob@h>\r\n ;tag=1928301774"),
	.target = TEXT("sip:bob@192.0.2.4:5060"),
	.contact = TEXT("<sip:h:5061;transport=tls;gr>"),
	.routes = TEXT("Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n"),
	.peer = TEXT("[2001:db8::1]:5060"),
	.etag = TEXT("5ee9a1"),
	.proto = 2,
	.local_cseq = 4294967295,
	.remote_cseq = 2147483647,
	.expires = 4294967296,
};

static void round_trip(void **state)
{
	struct buf line = {0}, scratch = {0};
	struct subscription back;

	(void)state;
	buf_adds(&line, "key ");
	subscription_write(&plain, &line);
	assert_int_equal(slice_chr(buf_slice(&line), '\n'), line.n);
	buf_adds(&scratch, "kept");
	assert_int_equal(subscription_read(slice_sub(buf_slice(&line), 4, line.n), &scratch, &back), ERR_OK);
	assert_true(same(&plain, &back));
	assert_true(slice_starts(buf_slice(&scratch), S("kept")));
	buf_free(&line);
	buf_free(&scratch);
}

/* Every octet value in every field, alone and beside what the format itself uses. */
static void all_octets(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char octets[] = {(char)c, '=', (char)c, '%', (char)c, (char)c, '4', '1', ' ', (char)c};
		struct slice s = slice_of(octets, sizeof(octets));
		struct subscription r = {s, s, s, s, s, s, s, s, s, s, s, s, s, 0, 1, 2, 3}, back;
		struct buf line = {0}, scratch = {0};

		subscription_write(&r, &line);
		/* One line of printable text: what a journal can hold. */
		for (size_t i = 0; i < line.n; i++)
			assert_true(line.p[i] >= 0x20 && line.p[i] < 0x7f);
		assert_int_equal(subscription_read(buf_slice(&line), &scratch, &back), ERR_OK);
		assert_true(same(&r, &back));
		buf_free(&line);
		buf_free(&scratch);
	}
}

static void empty_fields(void **state)
{
	struct subscription r = {.proto = 1}, back;
	struct buf line = {0}, scratch = {0};

	(void)state;
	subscription_write(&r, &line);
	assert_int_equal(subscription_read(buf_slice(&line), &scratch, &back), ERR_OK);
	assert_true(same(&r, &back));
	assert_true(back.aor.p != NULL && back.peer.p != NULL && back.etag.p != NULL);
	buf_free(&line);
	buf_free(&scratch);
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"1 1 1 1",
		"1 1 1 1 = = = = = = = = = = =",
		"1 1 1 1 = = = = = = = = = = = = = =",
		"1 1 1 1 = = = = = = = = = = = x",
		"1 1 1 1 = = = = = = = = = = =  =",
		"1 1 1 = = = = = = = = = = = =",
		" 1 1 1 1 = = = = = = = = = = = =",
		"x 1 1 1 = = = = = = = = = = = =",
		"-1 1 1 1 = = = = = = = = = = = =",
		"4294967296 1 1 1 = = = = = = = = = = = =",
		"1 4294967296 1 1 = = = = = = = = = = = =",
		"1 1 4294967296 1 = = = = = = = = = = = =",
		"1 1 1 9223372036854775808 = = = = = = = = = = = =",
		"1 1 1 1 =% = = = = = = = = = = =",
		"1 1 1 1 =%4 = = = = = = = = = = =",
		"1 1 1 1 = = = = = = = = = = = =%4",
		"1 1 1 1 =%4g = = = = = = = = = = =",
		"1 1 1 1 =%0a = = = = = = = = = = =", /* written in capitals only */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct slice in = guard_copy(slice_str(bad[i]));
		struct buf scratch = {0};
		struct subscription r;

		memset(&r, PREFIX_FILL, sizeof(r));
		if (subscription_read(in, &scratch, &r) != ERR_SYNTAX)
			fail_msg("\"%s\"", bad[i]);
		assert_true(untouched(&r, sizeof(r)));
		buf_free(&scratch);
		guard_free(in);
	}
}

/* A line of a version before the entity-tag was kept. */
static void an_older_line(void **state)
{
	struct buf line = {0}, scratch = {0};
	struct subscription back;

	(void)state;
	subscription_write(&plain, &line);
	assert_int_equal(
		subscription_read(slice_sub(buf_slice(&line), 0, slice_rchr(buf_slice(&line), ' ')), &scratch, &back),
		ERR_OK);
	assert_true(back.etag.p == NULL && slice_eq(back.peer, plain.peer));
	buf_free(&line);
	buf_free(&scratch);
}

static void check_prefix(struct slice in)
{
	struct buf scratch = {0};
	struct subscription r;
	enum err e = subscription_read(in, &scratch, &r);

	assert_true(e == ERR_SYNTAX || (e == ERR_OK && slice_eq(r.aor, plain.aor) && r.expires == plain.expires));
	buf_free(&scratch);
}

static void prefixes(void **state)
{
	struct buf line = {0};

	(void)state;
	subscription_write(&plain, &line);
	each_prefix(buf_slice(&line), check_prefix);
	buf_free(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(all_octets), cmocka_unit_test(empty_fields),
		cmocka_unit_test(refused),    cmocka_unit_test(prefixes),   cmocka_unit_test(an_older_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
