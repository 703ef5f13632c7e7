#include "tests/test.h"

#include <errno.h>
#include <sys/syscall.h>

#include "tests/unit/folder.h"

/*
 * The two calls that make a file durable, with a record of their order: f = fsync of a file, r = rename, d = fsync of
 * the folder. They take the place of libc's for this program. What a worker writes here is read after done().
 */
static char calls[256];
static int fail_file_sync = -1; /* which fsync of a file fails, counted from 0 */
static bool fail_folder_sync;

static void called(char c)
{
	size_t n = strlen(calls);

	if (n + 1 < sizeof(calls))
		calls[n] = c;
}

int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		called('d');
		if (fail_folder_sync)
			return errno = EIO, -1;
	} else {
		called('f');
		if (fail_file_sync-- == 0)
			return errno = EIO, -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	called('r');
	return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

static void forget_calls(void)
{
	memset(calls, 0, sizeof(calls));
	fail_file_sync = -1;
	fail_folder_sync = false;
}

static enum err put(struct folder *f, const char *name, const char *text)
{
	struct buf b = {0};
	enum err e;

	buf_adds(&b, text);
	e = commit_file(f->commit, name, &b, folder_done, f);
	if (e == ERR_OK) {
		assert_null(b.p);
		f->waiting++;
	}
	buf_free(&b);
	return e;
}

static void durable_order(void **state)
{
	struct folder f;

	(void)state;
	folder_open(&f);
	folder_start(&f, 100);
	forget_calls();
	assert_int_equal(put(&f, "first", "1"), ERR_OK);
	assert_int_equal(folder_wait(&f), ERR_OK);
	/* done() comes after the folder is synced. */
	assert_string_equal(calls, "frd");
	assert_true(folder_holds(&f, "first", S("1")));
	folder_stop(&f);
	folder_remove(&f);
}

/* What comes while a batch is on its way is one batch: written, synced, renamed, and the folder synced once. */
static void shared_syncs(void **state)
{
	struct folder f;

	(void)state;
	folder_open(&f);
	folder_start(&f, 100);
	forget_calls();
	assert_int_equal(put(&f, "a", "1"), ERR_OK);
	assert_int_equal(put(&f, "b", "2"), ERR_OK);
	assert_int_equal(put(&f, "c", "3"), ERR_OK);
	assert_int_equal(put(&f, "d", "4"), ERR_OK);
	assert_int_equal(folder_wait(&f), ERR_OK);
	assert_string_equal(calls, "frdfffrrrd");
	assert_true(folder_holds(&f, "b", S("2")) && folder_holds(&f, "d", S("4")));
	assert_int_equal(folder_files(&f), 4);
	folder_stop(&f);
	folder_remove(&f);
}

struct step {
	struct folder *f;
	unsigned number;
	unsigned *next;
	const char *name, *text;
};

static void in_order(void *arg, enum err e)
{
	struct step *s = arg;

	assert_int_equal(s->number, *s->next);
	++*s->next;
	/* The file is there, and not yet the one that was asked for after it. */
	assert_true(folder_holds(s->f, s->name, slice_str(s->text)));
	folder_done(s->f, e);
}

/* Several replacements of one name: each is done in its turn, the last one stays. */
static void one_name(void **state)
{
	static const char *const rows[][2] = {{"a", "1"}, {"a", "2"}, {"b", "3"}, {"a", "4"},
					      {"c", "5"}, {"a", "6"}, {"a", "7"}};
	struct step steps[7];
	struct folder f;
	unsigned next = 0;

	(void)state;
	folder_open(&f);
	folder_start(&f, 100);
	for (unsigned i = 0; i < 7; i++) {
		struct buf b = {0};

		buf_adds(&b, rows[i][1]);
		steps[i] = (struct step){.f = &f, .number = i, .next = &next, .name = rows[i][0], .text = rows[i][1]};
		f.waiting++;
		assert_int_equal(commit_file(f.commit, rows[i][0], &b, in_order, &steps[i]), ERR_OK);
	}
	assert_int_equal(folder_wait(&f), ERR_OK);
	assert_int_equal(next, 7);
	assert_true(folder_holds(&f, "a", S("7")));
	folder_stop(&f);
	folder_remove(&f);
}

static void busy(void **state)
{
	struct buf refused = {0};
	struct folder f;

	(void)state;
	folder_open(&f);
	folder_start(&f, 3);
	assert_int_equal(put(&f, "a", "1"), ERR_OK);
	assert_int_equal(put(&f, "b", "2"), ERR_OK);
	assert_int_equal(put(&f, "c", "3"), ERR_OK);
	/* Nothing was taken: the octets are still the caller's, and done() does not come. */
	buf_adds(&refused, "4");
	assert_int_equal(commit_file(f.commit, "d", &refused, folder_done, &f), ERR_BUSY);
	assert_string_equal(refused.p, "4");
	buf_free(&refused);
	assert_int_equal(folder_wait(&f), ERR_OK);
	assert_false(folder_has(&f, "d"));
	assert_int_equal(put(&f, "d", "5"), ERR_OK);
	assert_int_equal(folder_wait(&f), ERR_OK);
	assert_true(folder_holds(&f, "d", S("5")));
	folder_stop(&f);
	folder_remove(&f);
}

static void one_fails(void **state)
{
	struct folder f;

	(void)state;
	folder_open(&f);
	folder_start(&f, 100);
	folder_put(&f, "b", S("old"));
	assert_int_equal(put(&f, "first", ""), ERR_OK);
	assert_int_equal(folder_wait(&f), ERR_OK);
	forget_calls();
	fail_file_sync = 0;
	assert_int_equal(put(&f, "b", "new"), ERR_OK);
	assert_int_equal(folder_wait(&f), ERR_IO);
	/* Not tried again, not shown, nothing left lying about. */
	assert_string_equal(calls, "f");
	assert_true(folder_holds(&f, "b", S("old")) && !folder_has(&f, "b.tmp"));
	/* The others of its batch are not held up by it. */
	forget_calls();
	fail_file_sync = 2;
	assert_int_equal(put(&f, "a", "1"), ERR_OK);
	assert_int_equal(put(&f, "c", "2"), ERR_OK);
	assert_int_equal(put(&f, "b", "3"), ERR_OK);
	assert_int_equal(put(&f, "d", "4"), ERR_OK);
	(void)folder_wait(&f);
	assert_string_equal(calls, "frdfffrrd");
	assert_true(folder_holds(&f, "c", S("2")) && folder_holds(&f, "b", S("old")) && folder_holds(&f, "d", S("4")));
	folder_stop(&f);
	folder_remove(&f);
}

static void folder_fails(void **state)
{
	struct folder f;

	(void)state;
	folder_open(&f);
	folder_start(&f, 100);
	forget_calls();
	fail_folder_sync = true;
	assert_int_equal(put(&f, "a", "1"), ERR_OK);
	/* The rename may be lost at a power cut: nobody may be told that it holds. */
	assert_int_equal(folder_wait(&f), ERR_IO);
	assert_string_equal(calls, "frd");
	assert_int_equal(folder_files(&f), 0);
	forget_calls();
	assert_int_equal(put(&f, "a", "2"), ERR_OK);
	assert_int_equal(folder_wait(&f), ERR_OK);
	/* And what was acknowledged before is there again. */
	forget_calls();
	fail_folder_sync = true;
	assert_int_equal(put(&f, "a", "3"), ERR_OK);
	assert_int_equal(put(&f, "b", "3"), ERR_OK);
	assert_int_equal(folder_wait(&f), ERR_IO);
	assert_true(folder_holds(&f, "a", S("2")));
	assert_int_equal(folder_files(&f), 1);
	forget_calls();
	folder_stop(&f);
	folder_remove(&f);
}

static void again(void *arg, enum err e)
{
	struct folder *f = arg;

	if (f->waiting > 1) {
		char name[2] = {(char)('a' + f->waiting), '\0'};
		struct buf b = {0};

		buf_adds(&b, name);
		assert_int_equal(commit_file(f->commit, name, &b, again, f), ERR_OK);
	}
	folder_done(f, e);
}

/* done() may ask for the next one. */
static void from_done(void **state)
{
	struct buf b = {0};
	struct folder f;

	(void)state;
	folder_open(&f);
	folder_start(&f, 1);
	f.waiting = 5;
	buf_adds(&b, "x");
	assert_int_equal(commit_file(f.commit, "x", &b, again, &f), ERR_OK);
	assert_int_equal(folder_wait(&f), ERR_OK);
	assert_int_equal(folder_files(&f), 5);
	folder_stop(&f);
	folder_remove(&f);
}

struct told {
	struct folder *f;
	unsigned number, *next;
};

static void told_in_order(void *arg, enum err e)
{
	struct told *t = arg;

	assert_int_equal(t->number, *t->next);
	++*t->next;
	folder_done(t->f, e);
}

/* When the pool is closed every done() comes, in order, for what was written and for what was not. */
static void closing(void **state)
{
	struct told told[20];
	unsigned next = 0;
	struct folder f;

	(void)state;
	folder_open(&f);
	folder_start(&f, 100);
	for (unsigned i = 0; i < 20; i++) {
		struct buf b = {0};

		told[i] = (struct told){.f = &f, .number = i, .next = &next};
		f.waiting++;
		buf_addu(&b, i);
		assert_int_equal(commit_file(f.commit, i % 2 == 0 ? "a" : "b", &b, told_in_order, &told[i]), ERR_OK);
	}
	folder_stop(&f);
	assert_int_equal(f.waiting, 0);
	assert_int_equal(f.result, ERR_BUSY);
	assert_true(folder_holds(&f, "a", S("0")) && !folder_has(&f, "a.tmp"));
	folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durable_order), cmocka_unit_test(shared_syncs), cmocka_unit_test(one_name),
		cmocka_unit_test(busy),          cmocka_unit_test(one_fails),    cmocka_unit_test(folder_fails),
		cmocka_unit_test(from_done),     cmocka_unit_test(closing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
