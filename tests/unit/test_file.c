#include "tests/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/folder.h"

static unsigned mode_of(struct folder *f, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

static void open_folder(void **state)
{
	struct buf why = {0};
	struct folder f;
	char inner[100];
	int fd = -1;

	(void)state;
	folder_open(&f);
	snprintf(inner, sizeof(inner), "%s/new", f.path);
	assert_int_equal(file_open_dir(inner, false, &fd, &why), ERR_IO);
	assert_true(slice_find(buf_slice(&why), slice_str(inner), 0) < why.n && fd == -1);
	/* Whatever the umask says, it is nobody else's. */
	umask(0);
	assert_int_equal(file_open_dir(inner, true, &fd, &why), ERR_OK);
	assert_int_equal(mode_of(&f, "new"), 0700);
	close(fd);
	assert_int_equal(file_open_dir(inner, true, &fd, &why), ERR_OK);
	close(fd);
	fd = -1;
	for (unsigned bit = 1; bit < 0100; bit <<= 1) {
		assert_int_equal(chmod(inner, 0700 | bit), 0);
		buf_clear(&why);
		assert_int_equal(file_open_dir(inner, true, &fd, &why), ERR_IO);
		assert_true(why.n > 0 && fd == -1);
	}
	folder_put(&f, "file", S("x"));
	snprintf(inner, sizeof(inner), "%s/file", f.path);
	assert_int_equal(file_open_dir(inner, true, &fd, &why), ERR_IO);
	assert_int_equal(fd, -1);
	umask(022);
	buf_free(&why);
	folder_remove(&f);
}

static void lock(void **state)
{
	struct folder f;
	int first, second = -1;

	(void)state;
	folder_open(&f);
	assert_int_equal(file_lock(f.fd, FILE_LOCK, &first), ERR_OK);
	assert_int_equal(mode_of(&f, "lock"), 0600);
	assert_int_equal(file_lock(f.fd, FILE_LOCK, &second), ERR_EXISTS);
	assert_int_equal(second, -1);
	close(first);
	assert_int_equal(file_lock(f.fd, FILE_LOCK, &second), ERR_OK);
	close(second);
	assert_int_equal(unlinkat(f.fd, "lock", 0), 0);
	assert_int_equal(symlinkat("elsewhere", f.fd, "lock"), 0);
	assert_int_equal(file_lock(f.fd, FILE_LOCK, &second), ERR_IO);
	assert_false(folder_has(&f, "elsewhere"));
	folder_remove(&f);
}

static void replace(void **state)
{
	struct folder f;
	struct buf large = {0};

	(void)state;
	folder_open(&f);
	umask(0);
	assert_int_equal(file_replace(f.fd, "a", S("one\0two")), ERR_OK);
	umask(022);
	assert_int_equal(mode_of(&f, "a"), 0600);
	assert_true(folder_holds(&f, "a", S("one\0two")));
	assert_int_equal(file_replace(f.fd, "a", S("")), ERR_OK);
	assert_true(folder_holds(&f, "a", S("")));
	while (large.n < 300000)
		buf_addu(&large, large.n);
	assert_int_equal(file_replace(f.fd, "a", buf_slice(&large)), ERR_OK);
	assert_true(folder_holds(&f, "a", buf_slice(&large)));
	/* An old temporary file that is longer leaves nothing behind. */
	folder_put(&f, "a.tmp", buf_slice(&large));
	assert_int_equal(file_replace(f.fd, "a", S("short")), ERR_OK);
	assert_true(folder_holds(&f, "a", S("short")));
	assert_int_equal(folder_files(&f), 1);
	buf_free(&large);
	folder_remove(&f);
}

/* Somebody put links there: what they point at stays as it is. */
static void links(void **state)
{
	struct buf b = {0};
	struct folder f;
	int fd = -1;

	(void)state;
	folder_open(&f);
	folder_put(&f, "victim", S("precious"));
	assert_int_equal(symlinkat("victim", f.fd, "a"), 0);
	assert_int_equal(file_read(f.fd, "a", 100, &b), ERR_IO);
	assert_int_equal(b.n, 0);
	assert_int_equal(file_replace(f.fd, "a", S("new")), ERR_OK);
	assert_true(folder_holds(&f, "victim", S("precious")) && folder_holds(&f, "a", S("new")));
	assert_int_equal(symlinkat("victim", f.fd, "b.tmp"), 0);
	assert_int_equal(file_prepare(f.fd, "b", S("new"), &fd), ERR_OK);
	close(fd);
	assert_int_equal(mode_of(&f, "b.tmp"), 0600);
	assert_int_equal(file_replace(f.fd, "b", S("new")), ERR_OK);
	assert_true(folder_holds(&f, "victim", S("precious")) && folder_holds(&f, "b", S("new")));
	buf_free(&b);
	folder_remove(&f);
}

static void read_limits(void **state)
{
	struct buf b = {0};
	struct folder f;

	(void)state;
	folder_open(&f);
	folder_put(&f, "a", S("12345"));
	buf_adds(&b, "kept");
	assert_int_equal(file_read(f.fd, "a", 4, &b), ERR_LIMIT);
	assert_string_equal(b.p, "kept");
	assert_int_equal(b.n, 4);
	assert_int_equal(file_read(f.fd, "none", 4, &b), ERR_NOTFOUND);
	assert_int_equal(file_read(f.fd, ".", 4, &b), ERR_IO);
	assert_string_equal(b.p, "kept");
	assert_int_equal(file_read(f.fd, "a", 5, &b), ERR_OK);
	assert_string_equal(b.p, "kept12345");
	buf_free(&b);
	folder_remove(&f);
}

/* Nothing is seen of a replacement before its last step, and what a crash leaves goes at the next start. */
static void steps(void **state)
{
	enum file_old old;
	struct folder f;
	int fd;

	(void)state;
	folder_open(&f);
	folder_put(&f, "a", S("old"));
	assert_int_equal(file_prepare(f.fd, "a", S("new"), &fd), ERR_OK);
	assert_true(folder_holds(&f, "a", S("old")));
	assert_int_equal(file_settle(f.fd, "a", fd), ERR_OK);
	assert_true(folder_holds(&f, "a", S("old")) && folder_holds(&f, "a.tmp", S("new")));
	folder_put(&f, "b.tmp", S("left"));
	folder_put(&f, "tmp", S("kept"));
	folder_put(&f, "c.tmpx", S("kept"));
	file_remove_temporary(f.fd);
	assert_true(!folder_has(&f, "a.tmp") && !folder_has(&f, "b.tmp"));
	assert_true(folder_holds(&f, "a", S("old")) && folder_has(&f, "tmp") && folder_has(&f, "c.tmpx"));
	assert_int_equal(file_show(f.fd, "a", &old), ERR_IO);
	assert_true(folder_holds(&f, "a", S("old")));
	assert_int_equal(file_prepare(f.fd, "a", S("new"), &fd), ERR_OK);
	assert_int_equal(file_settle(f.fd, "a", fd), ERR_OK);
	assert_int_equal(file_show(f.fd, "a", &old), ERR_OK);
	assert_true(folder_holds(&f, "a", S("new")) && !folder_has(&f, "a.tmp"));
	assert_int_equal(old, FILE_OLD_KEPT);
	assert_true(folder_holds(&f, "a.old.tmp", S("old")));
	file_hide(f.fd, "a", old);
	assert_true(folder_holds(&f, "a", S("old")) && !folder_has(&f, "a.old.tmp"));
	folder_put(&f, "a.tmp", S("newer"));
	folder_put(&f, "a.old.tmp", S("stale"));
	assert_int_equal(file_show(f.fd, "a", &old), ERR_OK);
	assert_int_equal(file_sync_dir(f.fd), ERR_OK);
	assert_true(folder_holds(&f, "a.old.tmp", S("old")));
	file_shown(f.fd, "a", old);
	assert_true(folder_holds(&f, "a", S("newer")) && !folder_has(&f, "a.old.tmp"));
	folder_put(&f, "n.tmp", S("first"));
	assert_int_equal(file_show(f.fd, "n", &old), ERR_OK);
	assert_int_equal(old, FILE_OLD_NONE);
	file_hide(f.fd, "n", old);
	assert_false(folder_has(&f, "n"));
	folder_remove(&f);
}

/* A full disk, as far as a test can have one: the old file stays, the temporary one goes, errno tells why. */
static void no_room(void **state)
{
	struct rlimit was, small = {1000, RLIM_INFINITY};
	struct buf large = {0};
	struct folder f;

	(void)state;
	folder_open(&f);
	folder_put(&f, "a", S("old"));
	while (large.n < 5000)
		buf_addc(&large, 'x');
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(file_replace(f.fd, "a", buf_slice(&large)), ERR_IO);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_true(folder_holds(&f, "a", S("old")) && !folder_has(&f, "a.tmp"));
	buf_free(&large);
	folder_remove(&f);
}

static bool count_up_to_two(void *arg, const char *name)
{
	unsigned *n = arg;

	assert_true(name[0] != '.');
	return ++*n < 2;
}

static bool count_all(void *arg, const char *name)
{
	unsigned *n = arg;

	(void)name;
	++*n;
	return true;
}

static void each_name(void **state)
{
	struct folder f;
	unsigned n = 0;

	(void)state;
	folder_open(&f);
	folder_put(&f, ".hidden", S(""));
	folder_put(&f, "a", S(""));
	folder_put(&f, "b", S(""));
	folder_put(&f, "c", S(""));
	assert_int_equal(file_each(f.fd, count_all, &n), ERR_OK);
	assert_int_equal(n, 3);
	/* From the start each time. */
	n = 0;
	assert_int_equal(file_each(f.fd, count_up_to_two, &n), ERR_OK);
	assert_int_equal(n, 2);
	file_set_aside(f.fd, "a");
	assert_true(!folder_has(&f, "a") && folder_has(&f, "a.bad"));
	file_set_aside(f.fd, "none");
	folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_folder), cmocka_unit_test(lock),        cmocka_unit_test(replace),
		cmocka_unit_test(links),       cmocka_unit_test(read_limits), cmocka_unit_test(steps),
		cmocka_unit_test(no_room),     cmocka_unit_test(each_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
