#include "tests/test.h"

#include "core/log.h"
#include "core/mem.h"
#include "store/binding.h"
#include "store/journal.h"
#include "tests/unit/folder.h"
#include "tests/unit/prefix.h"

#define JOURNAL "bindings"

/* The table on a real loop and disk; what takes time is in tests/scenario/registrar.c. */
struct desk {
	struct folder f;
	struct bindings *t;
};

static void on_expired(void *arg, const struct binding *b)
{
	(void)arg;
	(void)b;
}

static void start(struct desk *d)
{
	folder_start(&d->f, 10);

	const struct bindings_deps deps = {
		.loop = d->f.loop, .commit = d->f.commit, .dirfd = d->f.fd, .expired = on_expired};

	assert_int_equal(bindings_open(&deps, &d->t), ERR_OK);
}

static void stop(struct desk *d)
{
	work_free(d->f.disk);
	bindings_free(d->t);
	commit_free(d->f.commit);
	loop_free(d->f.loop);
}

static void restart(struct desk *d)
{
	stop(d);
	start(d);
}

static void begin(struct desk *d)
{
	log_set(LOG_ERROR);
	*d = (struct desk){0};
	folder_open(&d->f);
	start(d);
}

static void end(struct desk *d)
{
	stop(d);
	folder_remove(&d->f);
}

static const struct binding_record plain = {
	.aor = TEXT("sip:alice@example.com"),
	.uri = TEXT("sip:alice@192.0.2.4:5060"),
	.params = TEXT(";q=0.5;+sip.instance=\"<urn:uuid:0>\"\r\n ;note=\"100% = x\""),
	.call_id = TEXT("a84b4c76e66710@pc33"),
	.path = TEXT("<sip:p2;lr>, <sip:p1;lr;ob>"),
	.flow = TEXT("\0\xc0\x00\x02\x04\x13\xc4\xc0\x00\x02\x01\x13\xc4"),
	.cseq = 2147483647,
	.reg_id = 2147483647,
	.interval_s = 3600,
	.q = 500,
	.flow_only = true,
};

static bool same(const struct binding_record *a, const struct binding_record *b)
{
	return slice_eq(a->aor, b->aor) && slice_eq(a->uri, b->uri) && slice_eq(a->params, b->params) &&
	       slice_eq(a->call_id, b->call_id) && slice_eq(a->path, b->path) && slice_eq(a->flow, b->flow) &&
	       a->flow_id == b->flow_id && a->cseq == b->cseq && a->reg_id == b->reg_id &&
	       a->interval_s == b->interval_s && a->q == b->q && a->flow_only == b->flow_only;
}

/* The only binding of that AOR. */
static struct binding *only(struct desk *d, struct slice aor)
{
	struct binding *b = bindings_first(d->t, aor);

	assert_non_null(b);
	assert_null(bindings_next(d->t, b));
	return b;
}

static void assert_is(struct desk *d, const struct binding_record *r)
{
	struct binding_record is;

	binding_read(only(d, r->aor), &is);
	assert_true(same(&is, r));
}

/* --- lines --- */

static void record_round_trip(void **state)
{
	struct buf line = {0}, scratch = {0};
	struct binding_record back;
	uint64_t until;
	bool brief;

	(void)state;
	binding_record_write(&plain, 4294967296, false, &line);
	for (size_t i = 0; i < line.n; i++)
		assert_true(line.p[i] >= 0x20 && line.p[i] < 0x7f);
	assert_int_equal(binding_record_read(buf_slice(&line), &scratch, &back, &until, &brief), ERR_OK);
	assert_true(same(&plain, &back) && until == 4294967296 && !brief);
	buf_clear(&line);
	binding_record_write(&plain, 1780003600, true, &line);
	assert_string_equal(line.p, "~ 2147483647 1780003600 3600");
	assert_int_equal(binding_record_read(buf_slice(&line), &scratch, &back, &until, &brief), ERR_OK);
	assert_true(brief && until == 1780003600 && back.cseq == plain.cseq && back.interval_s == 3600);
	buf_free(&line);
	buf_free(&scratch);
}

static void record_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"~",
		"~ ",
		"~ 1",
		"~ 1 2",
		"~ 1 2 3 4",
		"~ 4294967296 2 3",
		"~ 1 9223372036854775808 3",
		"~ 1 2 4294967296",
		"1 2 3",
		"1 2 3 0 1001 0 = = = = = =",
		"1 2 3 0 1 2 = = = = = =",
		"1 2 3 0 1 1 = = = = =",
		"1 2 3 0 1 1 = = = = = = =",
		"1 2 3 0 1 1 = = = = = x",
		"1 2 3 0 1 1 = = = = = =%4",
		"1 2 3 0 1 1 = = = = = =%0a",
		"1 2 3 -1 1 1 = = = = = =",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct slice in = guard_copy(slice_str(bad[i]));
		struct buf scratch = {0};
		struct binding_record r;
		uint64_t until;
		bool brief;

		memset(&r, PREFIX_FILL, sizeof(r));
		if (binding_record_read(in, &scratch, &r, &until, &brief) != ERR_SYNTAX)
			fail_msg("\"%s\"", bad[i]);
		assert_true(untouched(&r, sizeof(r)));
		buf_free(&scratch);
		guard_free(in);
	}
}

static void check_prefix(struct slice in)
{
	struct buf scratch = {0};
	struct binding_record r;
	uint64_t until;
	bool brief;
	enum err e = binding_record_read(in, &scratch, &r, &until, &brief);

	assert_true(e == ERR_SYNTAX || (e == ERR_OK && slice_eq(r.aor, plain.aor)));
	buf_free(&scratch);
}

static void record_prefixes(void **state)
{
	struct buf line = {0};

	(void)state;
	binding_record_write(&plain, 1, false, &line);
	each_prefix(buf_slice(&line), check_prefix);
	buf_free(&line);
}

/* --- the table --- */

static void put_replace_remove(void **state)
{
	struct binding_record second = plain, other = plain;
	struct desk d;
	struct binding *b;

	(void)state;
	begin(&d);
	assert_null(bindings_first(d.t, plain.aor));
	binding_put(d.t, NULL, &plain);
	assert_is(&d, &plain);
	assert_int_equal(binding_left_s(d.t, only(&d, plain.aor)), 3600);
	second.uri = S("sip:alice@192.0.2.5");
	second.flow = SLICE_NONE;
	second.params = S("");
	b = binding_put(d.t, NULL, &second);
	assert_ptr_equal(bindings_first(d.t, plain.aor), b);
	assert_non_null(bindings_next(d.t, b));
	other.aor = S("sip:bob@example.com");
	binding_put(d.t, NULL, &other);
	assert_is(&d, &other);
	assert_int_equal(bindings_count(d.t), 3);
	/* Replaced by a larger one, the texts of which are of another binding. */
	binding_read(bindings_next(d.t, b), &other);
	other.uri = S("sip:alice@a-longer-name.example.com");
	other.cseq = 7;
	b = binding_put(d.t, b, &other);
	binding_remove(d.t, bindings_next(d.t, b));
	assert_int_equal(bindings_count(d.t), 2);
	binding_read(only(&d, plain.aor), &other);
	assert_true(slice_eq(other.uri, S("sip:alice@a-longer-name.example.com")) && other.cseq == 7);
	end(&d);
}

static void connections(void **state)
{
	struct binding_record r = plain, is;
	struct desk d;
	struct binding *b;

	(void)state;
	begin(&d);
	r.flow = S("\1\0\0\0\0\0\0\0\x2a");
	r.flow_id = 42;
	b = binding_put(d.t, NULL, &r);
	assert_ptr_equal(bindings_on_flow(d.t, 42), b);
	assert_null(bindings_on_flow(d.t, 43));
	/* It comes by another one. */
	r.flow_id = 43;
	b = binding_put(d.t, b, &r);
	assert_null(bindings_on_flow(d.t, 42));
	assert_ptr_equal(bindings_on_flow(d.t, 43), b);
	binding_lose_flow(d.t, b);
	assert_null(bindings_on_flow(d.t, 43));
	binding_read(b, &is);
	assert_true(is.flow.n == 0 && is.flow_id == 0 && slice_eq(is.path, plain.path));
	b = binding_put(d.t, b, &r);
	/* Ids of connections begin anew with the program: none may be taken for another. */
	restart(&d);
	assert_null(bindings_on_flow(d.t, 43));
	r.flow = SLICE_NONE;
	r.flow_id = 0;
	assert_is(&d, &r);
	end(&d);
}

/* --- the journal --- */

static void kept(void **state)
{
	struct binding_record r = plain, bob = plain;
	struct desk d;

	(void)state;
	begin(&d);
	bob.aor = S("sip:bob@example.com");
	binding_put(d.t, NULL, &r);
	binding_put(d.t, NULL, &bob);
	restart(&d);
	assert_is(&d, &plain);
	assert_is(&d, &bob);
	r.cseq = 9;
	r.interval_s = 60;
	binding_put(d.t, only(&d, r.aor), &r);
	binding_remove(d.t, only(&d, bob.aor));
	restart(&d);
	assert_is(&d, &r);
	assert_int_equal(bindings_count(d.t), 1);
	assert_in_range(binding_left_s(d.t, only(&d, r.aor)), 58, 60);
	/* A key that was used before is not used for another. */
	binding_put(d.t, NULL, &bob);
	restart(&d);
	assert_is(&d, &r);
	assert_is(&d, &bob);
	end(&d);
}

/* 100 users that refresh every minute: less than 1 MB an hour. */
static void frugal(void **state)
{
	struct binding_record r = plain;
	struct buf before, after;
	struct desk d;

	(void)state;
	begin(&d);
	binding_put(d.t, NULL, &r);
	folder_turn(&d.f);
	before = folder_get(&d.f, JOURNAL);
	for (unsigned i = 0; i < 100; i++) {
		r.cseq = 4000 + i;
		binding_put(d.t, only(&d, r.aor), &r);
		folder_turn(&d.f);
	}
	after = folder_get(&d.f, JOURNAL);
	assert_in_range(after.n - before.n, 100 * 20, 100 * 48);
	assert_true((after.n - before.n) / 100 * 100 * 60 < 300000);
	/* On a connection, too, a new one each time. */
	r.flow_id = 1;
	binding_put(d.t, only(&d, r.aor), &r);
	folder_turn(&d.f);
	buf_free(&before);
	before = folder_get(&d.f, JOURNAL);
	r.flow_id = 2;
	binding_put(d.t, only(&d, r.aor), &r);
	folder_turn(&d.f);
	buf_free(&after);
	after = folder_get(&d.f, JOURNAL);
	assert_true(after.n - before.n < 48);
	/* What is not a refresh is written whole. */
	r.call_id = S("another");
	binding_put(d.t, only(&d, r.aor), &r);
	restart(&d);
	r.flow = SLICE_NONE;
	r.flow_id = 0;
	assert_is(&d, &r);
	buf_free(&before);
	buf_free(&after);
	end(&d);
}

/* A line of the journal that was written by somebody else. */
static void add_line(struct buf *out, struct desk *d, struct slice key, struct slice value)
{
	struct folder f;
	struct journal *j;
	struct buf text;

	(void)d;
	folder_open(&f);
	folder_start(&f, 1);
	assert_int_equal(journal_open(f.loop, f.commit, f.fd, "j", 1 << 20, NULL, NULL, NULL, &j), ERR_OK);
	journal_put(j, key, value);
	work_free(f.disk);
	journal_free(j);
	commit_free(f.commit);
	loop_free(f.loop);
	text = folder_get(&f, "j");
	buf_add(out, buf_slice(&text));
	buf_free(&text);
	folder_remove(&f);
}

static void damaged(void **state)
{
	static const char *const lines[][2] = {
		{"x1", "~ 1 99999999999 60"},
		{"", "~ 1 99999999999 60"},
		{"0", "~ 1 99999999999 60"},
		{"ffffffffffffffff", "~ 1 2 3"},
		{"77", "~ 1 99999999999 60"}, /* of nothing */
		{"1", "~ 1 2"},
		{"1", "nonsense"},
		{"5", "1 99999999999 60 0 1 1 = = = = = ="}, /* no AOR */
	};
	struct buf text, more = {0};
	struct desk d;

	(void)state;
	begin(&d);
	binding_put(d.t, NULL, &plain);
	stop(&d);
	text = folder_get(&d.f, JOURNAL);
	for (size_t i = 0; i < COUNT(lines); i++)
		add_line(&more, &d, slice_str(lines[i][0]), slice_str(lines[i][1]));
	buf_add(&text, buf_slice(&more));
	buf_adds(&text, "+ 1 torn");
	folder_put(&d.f, JOURNAL, buf_slice(&text));
	log_set(LOG_ERROR);
	start(&d);
	assert_int_equal(bindings_count(d.t), 1);
	assert_is(&d, &plain);
	buf_free(&text);
	buf_free(&more);
	end(&d);
}

/* Whatever the wall clock said when it was written, nothing lives longer than it could have been granted for. */
static void clocks(void **state)
{
	struct buf text = {0}, value = {0};
	struct binding_record r = plain;
	struct desk d;

	(void)state;
	begin(&d);
	stop(&d);
	binding_record_write(&plain, 99999999999, false, &value);
	add_line(&text, &d, S("1"), buf_slice(&value));
	r.aor = S("sip:bob@example.com");
	buf_clear(&value);
	binding_record_write(&r, 1000000000, false, &value);
	add_line(&text, &d, S("2"), buf_slice(&value));
	folder_put(&d.f, JOURNAL, buf_slice(&text));
	start(&d);
	assert_int_equal(binding_left_s(d.t, only(&d, plain.aor)), plain.interval_s);
	assert_null(bindings_first(d.t, r.aor));
	buf_free(&text);
	buf_free(&value);
	end(&d);
}

static void many(void **state)
{
	struct binding_record r = {
		.call_id = S("0123456789012345678901234567890123456789"), .interval_s = 3600, .q = 1000};
	char aor[40], uri[40];
	struct desk d;

	(void)state;
	begin(&d);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 3000; i++) {
			r.aor = slice_of(aor, (size_t)snprintf(aor, sizeof(aor), "sip:u%u@example.com", i));
			r.uri = slice_of(uri, (size_t)snprintf(uri, sizeof(uri), "sip:u%u@192.0.2.4:5060", i));
			r.cseq = round * 10000 + i;
			binding_put(d.t, bindings_first(d.t, r.aor), &r);
		}
		restart(&d);
		assert_int_equal(bindings_count(d.t), 3000);
	}
	assert_int_equal(only(&d, S("sip:u2999@example.com"))->cseq, 22999);
	end(&d);
}

/* 10,000 usual registrations over UDP: at most 3 MB, with what malloc and the map need. */
static void memory(void **state)
{
	size_t octets = sizeof(struct binding) + 25 + 31 + 40 + 13;
	size_t allocated = (octets + sizeof(size_t) + 15) / 16 * 16;
	size_t slots = 16384 * sizeof(struct map_node *);

	(void)state;
	assert_true(10000 * allocated + slots <= 3000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_round_trip),
		cmocka_unit_test(record_refused),
		cmocka_unit_test(record_prefixes),
		cmocka_unit_test(put_replace_remove),
		cmocka_unit_test(connections),
		cmocka_unit_test(kept),
		cmocka_unit_test(frugal),
		cmocka_unit_test(damaged),
		cmocka_unit_test(clocks),
		cmocka_unit_test(many),
		cmocka_unit_test(memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
