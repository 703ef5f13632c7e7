#include "tests/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/journal.h"
#include "tests/unit/folder.h"
#include "tests/unit/prefix.h"

#define NAME "subscriptions"

/* What a replay says, and what a snapshot is made of: "key=value\n", "key!\n" for a deletion. */
struct keeper {
	struct folder f;
	struct journal *j;
	struct buf replayed;
	unsigned living; /* entries k0, k1 ... that the snapshot writes */
	unsigned snapshots;
	size_t max; /* 0: enough */
};

static void on_entry(void *arg, struct slice key, struct slice value)
{
	struct keeper *k = arg;

	buf_add(&k->replayed, key);
	if (value.p == NULL)
		buf_adds(&k->replayed, "!\n");
	else
		buf_addf(&k->replayed, "=%.*s\n", SLICE_ARG(value));
}

static void on_snapshot(void *arg, struct journal *j)
{
	struct keeper *k = arg;

	k->snapshots++;
	for (unsigned i = 0; i < k->living; i++) {
		char key[20];

		snprintf(key, sizeof(key), "k%u", i);
		journal_put(j, slice_str(key), S("from the snapshot"));
	}
}

static void start(struct keeper *k)
{
	folder_start(&k->f, 10);
	buf_free(&k->replayed);
	buf_adds(&k->replayed, "");
	assert_int_equal(journal_open(k->f.loop, k->f.commit, k->f.fd, NAME, k->max != 0 ? k->max : 64u << 20, on_entry,
				      on_snapshot, k, &k->j),
			 ERR_OK);
}

/* As the program ends: jobs first, then the journal, then the loop. */
static void stop(struct keeper *k)
{
	work_free(k->f.disk);
	journal_free(k->j);
	commit_free(k->f.commit);
	loop_free(k->f.loop);
}

static void begin(struct keeper *k)
{
	*k = (struct keeper){0};
	folder_open(&k->f);
}

static void end(struct keeper *k)
{
	buf_free(&k->replayed);
	folder_remove(&k->f);
}

static void round_trip(void **state)
{
	struct keeper k;
	struct buf text;

	(void)state;
	begin(&k);
	start(&k);
	assert_string_equal(k.replayed.p, "");
	journal_put(k.j, S("a"), S("1 with blanks"));
	journal_put(k.j, S("b"), S(""));
	journal_delete(k.j, S("a"));
	journal_put(k.j, S("a"), S("2"));
	/* Written at the end of the turn, all at once. */
	assert_true(folder_holds(&k.f, NAME, S("")));
	folder_turn(&k.f);
	text = folder_get(&k.f, NAME);
	assert_true(text.n > 0 && text.p[text.n - 1] == '\n');
	buf_free(&text);
	stop(&k);
	start(&k);
	assert_string_equal(k.replayed.p, "a=1 with blanks\nb=\na!\na=2\n");
	journal_delete(k.j, S("b"));
	stop(&k);
	start(&k);
	assert_string_equal(k.replayed.p, "a=1 with blanks\nb=\na!\na=2\nb!\n");
	stop(&k);
	end(&k);
}

/* Closed with something still to be written at the end of the turn: it is written, and the turn finds nothing freed. */
static void closed_in_a_turn(void **state)
{
	struct keeper k;

	(void)state;
	begin(&k);
	start(&k);
	journal_put(k.j, S("a"), S("1"));
	stop(&k);
	start(&k);
	assert_string_equal(k.replayed.p, "a=1\n");
	stop(&k);
	end(&k);
}

/* Four entries as they are in a file. */
static struct buf four(struct keeper *k)
{
	struct buf text;

	start(k);
	journal_put(k->j, S("a"), S("1"));
	journal_put(k->j, S("b"), S("2"));
	journal_delete(k->j, S("a"));
	journal_put(k->j, S("c"), S("3"));
	stop(k);
	text = folder_get(&k->f, NAME);
	return text;
}

/* Cut anywhere: whole entries are there, nothing else is, and what is written next is not lost in the torn line. */
static void torn(void **state)
{
	static const char *const entries[] = {"a=1\n", "b=2\n", "a!\n", "c=3\n"};
	struct keeper k;
	struct buf text;

	(void)state;
	begin(&k);
	text = four(&k);
	for (size_t n = 0; n <= text.n; n++) {
		struct buf expected = {0};
		unsigned whole = 0;

		for (size_t i = 0; i < n; i++)
			whole += text.p[i] == '\n';
		/* Only the line end may be missing. */
		if (n < text.n && text.p[n] == '\n')
			whole++;
		buf_adds(&expected, "");
		for (unsigned i = 0; i < whole; i++)
			buf_adds(&expected, entries[i]);
		folder_put(&k.f, NAME, slice_sub(buf_slice(&text), 0, n));
		start(&k);
		assert_string_equal(k.replayed.p, expected.p);
		stop(&k);
		start(&k);
		assert_string_equal(k.replayed.p, expected.p);
		journal_put(k.j, S("d"), S("4"));
		folder_turn(&k.f);
		stop(&k);
		start(&k);
		buf_adds(&expected, "d=4\n");
		assert_string_equal(k.replayed.p, expected.p);
		stop(&k);
		buf_free(&expected);
	}
	buf_free(&text);
	end(&k);
}

/* A damaged line in the middle costs that line only. */
static void damaged(void **state)
{
	struct keeper k;
	struct buf text;
	size_t line, after;

	(void)state;
	begin(&k);
	text = four(&k);
	line = slice_chr(buf_slice(&text), '\n') + 1;
	after = line + slice_chr(slice_sub(buf_slice(&text), line, text.n), '\n');
	for (size_t at = line; at < after; at += 3) {
		char was = text.p[at];

		text.p[at] = (char)(was ^ 1);
		folder_put(&k.f, NAME, buf_slice(&text));
		start(&k);
		assert_string_equal(k.replayed.p, "a=1\na!\nc=3\n");
		stop(&k);
		text.p[at] = was;
	}
	buf_free(&text);
	end(&k);
}

static void lines(void **state)
{
	struct slice key, value;
	struct keeper k;
	struct buf text;

	(void)state;
	begin(&k);
	text = four(&k);
	for (struct slice rest = buf_slice(&text), one; slice_cut(rest, '\n', &one, &rest);) {
		struct slice line = guard_copy(one);
		char *octets = text.p + (one.p - text.p);

		assert_true(journal_line(line, &key, &value));
		assert_true(inside(line, key) && inside(line, value));
		for (size_t n = 0; n < line.n; n++) {
			struct slice part = guard_copy(slice_sub(line, 0, n));

			assert_false(journal_line(part, &key, &value));
			guard_free(part);
		}
		for (size_t bit = 0; bit < one.n * 8; bit++) {
			octets[bit / 8] = (char)(octets[bit / 8] ^ 1 << bit % 8);
			assert_false(journal_line(one, &key, &value));
			octets[bit / 8] = (char)(octets[bit / 8] ^ 1 << bit % 8);
		}
		guard_free(line);
	}
	buf_free(&text);
	end(&k);
}

static void fill(struct keeper *k, unsigned lines_to_write)
{
	char value[1001];

	memset(value, 'v', 1000);
	value[1000] = '\0';
	for (unsigned i = 0; i < lines_to_write; i++)
		journal_put(k->j, S("k0"), slice_str(value));
	folder_turn(&k->f);
}

/* Until no snapshot is on its way: a slow disk must not decide how many there are. */
static void settle(struct keeper *k)
{
	for (unsigned i = 0; i < 10000 && folder_has(&k->f, NAME ".next"); i++) {
		usleep(1000);
		folder_turn(&k->f);
	}
	assert_false(folder_has(&k->f, NAME ".next"));
}

/* When most is history a snapshot takes the place of the file; what is written meanwhile is in the new one too. */
static void snapshot(void **state)
{
	struct keeper k;
	struct buf text;

	(void)state;
	begin(&k);
	start(&k);
	k.living = 3;
	fill(&k, 100);
	assert_int_equal(k.snapshots, 0);
	fill(&k, 200);
	assert_int_equal(k.snapshots, 1);
	/* The snapshot is on its way, or there already: this is in the old file and must be in the new one. */
	journal_put(k.j, S("k1"), S("meanwhile"));
	journal_delete(k.j, S("k2"));
	folder_turn(&k.f);
	assert_int_equal(k.snapshots, 1);
	stop(&k);
	text = folder_get(&k.f, NAME);
	assert_true(text.n < 1000);
	buf_free(&text);
	start(&k);
	assert_string_equal(k.replayed.p, "k0=from the snapshot\nk1=from the snapshot\nk2=from the snapshot\n"
					  "k1=meanwhile\nk2!\n");
	/* And it goes on in the new file. */
	journal_put(k.j, S("k1"), S("later"));
	stop(&k);
	start(&k);
	assert_true(slice_ends(buf_slice(&k.replayed), S("k2!\nk1=later\n")));
	stop(&k);
	end(&k);
}

/* A snapshot that cannot be written costs nothing: the old file goes on. */
static void failed_snapshot(void **state)
{
	struct keeper k;

	(void)state;
	begin(&k);
	start(&k);
	k.living = 1;
	assert_int_equal(mkdirat(k.f.fd, NAME ".tmp", 0700), 0);
	fill(&k, 300);
	assert_int_equal(k.snapshots, 1);
	journal_put(k.j, S("k1"), S("meanwhile"));
	folder_turn(&k.f);
	stop(&k);
	start(&k);
	assert_true(slice_ends(buf_slice(&k.replayed), S("v\nk1=meanwhile\n")));
	assert_true(k.replayed.n > 300000);
	stop(&k);
	end(&k);
}

/* A job of the disk's worker that lasts until somebody writes into the pipe. */
struct hold {
	struct work_job job;
	int pipe[2];
};

static void hold_run(struct work_job *job, unsigned worker)
{
	struct hold *h = (struct hold *)(void *)job;
	char octet;

	(void)worker;
	if (read(h->pipe[0], &octet, 1) < 0)
		_exit(2);
}

static void hold_done(struct work_job *job)
{
	(void)job;
}

/* Ends when the snapshot has taken the place of the file, and before the loop has heard of it. */
static void die_in_a_snapshot(struct keeper *k)
{
	struct hold h = {.job = {.run = hold_run, .done = hold_done}};
	struct stat st;

	start(k);
	k->living = 2;
	if (pipe(h.pipe) != 0 || work_submit(k->f.disk, &h.job) != ERR_OK)
		_exit(2);
	fill(k, 300);
	journal_put(k->j, S("k1"), S("meanwhile"));
	folder_turn(&k->f);
	if (write(h.pipe[1], "x", 1) != 1)
		_exit(2);
	for (unsigned i = 0; i < 5000; i++) {
		if (fstatat(k->f.fd, NAME, &st, 0) == 0 && st.st_size < 1000)
			_exit(0);
		usleep(1000);
	}
	_exit(3);
}

static void killed_in_a_snapshot(void **state)
{
	struct keeper k;
	int status;
	pid_t child;

	(void)state;
	begin(&k);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		die_in_a_snapshot(&k);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (int i = 0; i < 2; i++) {
		start(&k);
		assert_string_equal(k.replayed.p, "k0=from the snapshot\nk1=from the snapshot\nk1=meanwhile\n");
		assert_false(folder_has(&k.f, NAME ".next"));
		stop(&k);
	}
	end(&k);
}

/* The disk is full for a while: what could not be written is missing, what is written later is not. */
static void full_disk(void **state)
{
	struct rlimit was, small;
	struct keeper k;
	struct buf text;

	(void)state;
	begin(&k);
	start(&k);
	journal_put(k.j, S("a"), S("1"));
	folder_turn(&k.f);
	text = folder_get(&k.f, NAME);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = (struct rlimit){text.n + 7, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	journal_put(k.j, S("b"), S("2"));
	folder_turn(&k.f);
	journal_put(k.j, S("c"), S("3"));
	folder_turn(&k.f);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	journal_put(k.j, S("d"), S("4"));
	folder_turn(&k.f);
	stop(&k);
	start(&k);
	assert_string_equal(k.replayed.p, "a=1\nd=4\n");
	stop(&k);
	buf_free(&text);
	end(&k);
}

static size_t size_of(struct keeper *k)
{
	struct buf text = folder_get(&k->f, NAME);
	size_t n = text.n;

	buf_free(&text);
	return n;
}

/* However much is alive, and whether snapshots succeed or not, the next start can read the file. */
static void never_larger_than_can_be_read(void **state)
{
	struct keeper k;

	(void)state;
	for (int broken = 0; broken < 2; broken++) {
		begin(&k);
		k.max = 1u << 20;
		k.living = 10000; /* 400 kB, which four times would not fit */
		start(&k);
		if (broken)
			assert_int_equal(mkdirat(k.f.fd, NAME ".tmp", 0700), 0);
		for (int i = 0; i < 40; i++) {
			fill(&k, 100);
			assert_true(size_of(&k) <= k.max);
			settle(&k);
		}
		/* A snapshot costs as much as is alive: not one for each line. */
		assert_in_range(k.snapshots, 3, 20);
		stop(&k);
		start(&k);
		assert_true(k.replayed.n > 100000);
		assert_false(folder_has(&k.f, NAME ".bad"));
		stop(&k);
		end(&k);
	}
}

/* More is alive than there is room for. */
static void a_snapshot_has_what_fits(void **state)
{
	struct keeper k;

	(void)state;
	begin(&k);
	k.max = 1u << 20;
	k.living = 100000;
	start(&k);
	for (int i = 0; i < 20; i++)
		fill(&k, 100);
	stop(&k);
	assert_true(size_of(&k) <= k.max);
	start(&k);
	assert_true(slice_starts(buf_slice(&k.replayed), S("k0=from the snapshot\nk1=")));
	stop(&k);
	/* Where less is allowed than there is, the service starts without. */
	k.max = 10000;
	start(&k);
	assert_int_equal(k.replayed.n, 0);
	assert_true(folder_has(&k.f, NAME ".bad"));
	journal_put(k.j, S("a"), S("1"));
	stop(&k);
	start(&k);
	assert_string_equal(k.replayed.p, "a=1\n");
	stop(&k);
	end(&k);
}

static void not_a_file(void **state)
{
	struct keeper k;
	struct journal *j = NULL;

	(void)state;
	begin(&k);
	folder_start(&k.f, 10);
	folder_put(&k.f, "victim", S("precious"));
	assert_int_equal(symlinkat("victim", k.f.fd, NAME), 0);
	assert_int_equal(journal_open(k.f.loop, k.f.commit, k.f.fd, NAME, 1000, on_entry, on_snapshot, &k, &j), ERR_IO);
	assert_null(j);
	assert_true(folder_holds(&k.f, "victim", S("precious")));
	folder_stop(&k.f);
	end(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(closed_in_a_turn),
		cmocka_unit_test(torn),
		cmocka_unit_test(damaged),
		cmocka_unit_test(lines),
		cmocka_unit_test(snapshot),
		cmocka_unit_test(never_larger_than_can_be_read),
		cmocka_unit_test(a_snapshot_has_what_fits),
		cmocka_unit_test(not_a_file),
		cmocka_unit_test(failed_snapshot),
		cmocka_unit_test(full_disk),
		cmocka_unit_test(killed_in_a_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
