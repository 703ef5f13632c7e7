#include "tests/test.h"

#include <signal.h>
#include <sys/resource.h>

#include "core/log.h"
#include "sip/identity/replay.h"
#include "store/seen.h"
#include "tests/unit/folder.h"

#define KEEP_S 100

struct reader {
	unsigned count;
	uint8_t last[SEEN_KEY];
	int64_t until_s;
};

static void on_record(void *arg, const uint8_t key[SEEN_KEY], int64_t until_s)
{
	struct reader *r = arg;

	r->count++;
	memcpy(r->last, key, SEEN_KEY);
	r->until_s = until_s;
}

static struct seen *start(struct folder *f, int64_t now_s, struct reader *r)
{
	struct seen *s;

	*r = (struct reader){0};
	assert_int_equal(seen_open(f->fd, "x", KEEP_S, now_s, on_record, r, &s), ERR_OK);
	return s;
}

static void add(struct seen *s, unsigned i, int64_t now_s)
{
	uint8_t key[SEEN_KEY] = {(uint8_t)i, (uint8_t)(i >> 8)};

	seen_add(s, key, now_s);
}

static size_t size_of(struct folder *f, const char *name)
{
	struct buf b = folder_get(f, name);
	size_t n = b.n;

	buf_free(&b);
	return n;
}

static void what_counts_comes_back(void **state)
{
	struct folder f;
	struct reader r;
	struct seen *s;

	(void)state;
	folder_open(&f);
	s = start(&f, 1000, &r);
	assert_int_equal(r.count, 0);
	add(s, 1, 1000);
	add(s, 2, 1010);
	seen_free(s);
	s = start(&f, 1050, &r);
	assert_int_equal(r.count, 2);
	assert_int_equal(r.last[0], 2);
	assert_int_equal(r.until_s, 1010 + KEEP_S);
	seen_free(s);
	s = start(&f, 1000 + KEEP_S, &r);
	assert_int_equal(r.count, 1);
	seen_free(s);
	s = start(&f, 1010 + KEEP_S, &r);
	assert_int_equal(r.count, 0);
	seen_free(s);
	folder_remove(&f);
}

/* Whenever it is stopped: nothing that counts is missing, and the files do not grow for ever. */
static void files_take_turns(void **state)
{
	struct folder f;
	struct reader r;
	struct seen *s;
	int64_t now = 5000;

	(void)state;
	folder_open(&f);
	s = start(&f, now, &r);
	for (unsigned i = 0; i < 3000; i++, now++) {
		add(s, i, now);
		if (i % 37 != 0)
			continue;
		seen_free(s);
		s = start(&f, now, &r);
		assert_int_equal(r.count, i < KEEP_S ? i + 1 : KEEP_S);
		assert_int_equal(r.last[0] | r.last[1] << 8, i);
		assert_true(size_of(&f, "x.0") + size_of(&f, "x.1") <= 2 * (KEEP_S + 2) * 24);
	}
	seen_free(s);
	folder_remove(&f);
}

/* After a kill within a write, and after damage. */
static void torn_and_damaged(void **state)
{
	struct folder f;
	struct reader r;
	struct seen *s;
	struct buf b;

	(void)state;
	folder_open(&f);
	s = start(&f, 1000, &r);
	add(s, 1, 1000);
	add(s, 2, 1000);
	seen_free(s);
	b = folder_get(&f, "x.0");
	assert_int_equal(b.n, 48);
	for (size_t n = 0; n <= b.n; n++) {
		folder_put(&f, "x.0", slice_sub(buf_slice(&b), 0, n));
		s = start(&f, 1001, &r);
		assert_int_equal(r.count, n / 24);
		add(s, 3, 1001);
		seen_free(s);
		s = start(&f, 1002, &r);
		assert_int_equal(r.count, n / 24 + 1);
		assert_int_equal(r.last[0], 3);
		seen_free(s);
	}
	/* A time that cannot be, or was written by a clock that was ahead, counts, but not for ever. */
	b.p[0] = 0x7f;
	folder_put(&f, "x.0", buf_slice(&b));
	s = start(&f, 1001, &r);
	assert_int_equal(r.count, 2);
	add(s, 4, 1001);
	seen_free(s);
	s = start(&f, 10, &r); /* no battery: the clock begins anew */
	assert_int_equal(r.count, 3);
	assert_int_equal(r.until_s, 10 + KEEP_S);
	seen_free(s);
	buf_free(&b);
	folder_remove(&f);
}

static void full_disk(void **state)
{
	struct rlimit limit, none;
	struct folder f;
	struct reader r;
	struct seen *s;

	(void)state;
	folder_open(&f);
	signal(SIGXFSZ, SIG_IGN);
	s = start(&f, 1000, &r);
	add(s, 1, 1000);
	getrlimit(RLIMIT_FSIZE, &limit);
	none = limit;
	none.rlim_cur = 30; /* room for a quarter of a record */
	setrlimit(RLIMIT_FSIZE, &none);
	add(s, 2, 1000);
	setrlimit(RLIMIT_FSIZE, &limit);
	add(s, 3, 1000);
	seen_free(s);
	s = start(&f, 1001, &r);
	assert_int_equal(r.count, 2);
	assert_int_equal(r.last[0], 3);
	seen_free(s);
	folder_remove(&f);
}

/* VER-10: the same request after a restart; under another master key it is another. */
static void a_replay_across_restarts(void **state)
{
	const struct replay_key key = {.from = S("sip:a@b"), .call_id = S("c"), .method = S("MESSAGE"), .cseq = 1};
	const struct slice master = S("0123456789abcdef0123456789abcdef");
	struct replay *r;
	struct folder f;

	(void)state;
	folder_open(&f);
	assert_int_equal(replay_open(10, f.fd, master, 777, 10000, &r), ERR_OK);
	assert_int_equal(replay_enter(r, &key, 777, 10000), ERR_OK);
	replay_free(r);
	assert_int_equal(replay_open(10, f.fd, master, 5, 10000 + 3600, &r), ERR_OK);
	assert_int_equal(replay_enter(r, &key, 5, 10000 + 3600), ERR_EXISTS);
	/* As long as its Date may be believed, and no longer. */
	assert_int_equal(replay_enter(r, &key, 4 + (REPLAY_S - 3600) * INT64_C(1000), 0), ERR_EXISTS);
	assert_int_equal(replay_enter(r, &key, 5 + (REPLAY_S - 3600) * INT64_C(1000), 10000 + REPLAY_S), ERR_OK);
	replay_free(r);
	assert_int_equal(replay_open(10, f.fd, S("another"), 5, 10001, &r), ERR_OK);
	assert_int_equal(replay_enter(r, &key, 5, 10001), ERR_OK);
	replay_free(r);
	folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_counts_comes_back),   cmocka_unit_test(files_take_turns),
		cmocka_unit_test(torn_and_damaged),         cmocka_unit_test(full_disk),
		cmocka_unit_test(a_replay_across_restarts),
	};

	log_set(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
