#include "tests/test.h"

#include "core/mem.h"
#include "store/named.h"
#include "tests/unit/folder.h"
#include "tests/unit/prefix.h"

static struct folder f;

static int begin(void **state)
{
	(void)state;
	folder_open(&f);
	return 0;
}

static int end(void **state)
{
	(void)state;
	folder_remove(&f);
	return 0;
}

static unsigned mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(f.fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

/* A sentence that names the file. */
static void assert_told(struct buf *why, const char *path)
{
	assert_true(slice_find(buf_slice(why), slice_str(path), 0) < why->n);
	assert_true(slice_chr(buf_slice(why), '\n') == why->n);
	buf_clear(why);
}

static void beside(void **state)
{
	static const char *const rows[][3] = {
		{"a.account", "ca.crt", "ca.crt"},
		{"/d/a.account", "ca.crt", "/d/ca.crt"},
		{"d/a.account", "e/ca.crt", "d/e/ca.crt"},
		{"./a", "x", "./x"},
		{"/a", "x", "/x"},
		{"d/a", "/x", "/x"},
		{"d/a", "../x", "d/../x"},
		{"d/", "x", "d/x"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b = {0};

		named_beside(rows[i][0], rows[i][1], &b);
		assert_string_equal(b.p, rows[i][2]);
		buf_free(&b);
	}
}

static void reading(void **state)
{
	char *path = folder_path(&f, "x"), *missing = folder_path(&f, "missing"), *folder = folder_path(&f, "folder");
	struct buf b = {0}, why = {0};

	(void)state;
	folder_put(&f, "x", S("some\0octets"));
	buf_adds(&b, "<");
	assert_true(named_read(path, true, 11, &b, &why) && why.n == 0);
	assert_true(slice_eq(buf_slice(&b), S("<some\0octets")));
	buf_clear(&b);
	assert_false(named_read(path, true, 10, &b, &why));
	assert_told(&why, path);
	assert_false(named_read(missing, true, 10, &b, &why));
	assert_told(&why, missing);
	assert_int_equal(mkdirat(f.fd, "folder", 0700), 0);
	assert_false(named_read(folder, true, 10, &b, &why));
	assert_told(&why, folder);
	assert_false(named_read("", false, 10, &b, &why));
	assert_told(&why, "");
	assert_int_equal(b.n, 0);
	mem_free(path);
	mem_free(missing);
	mem_free(folder);
	buf_free(&b);
	buf_free(&why);
}

static void secrets_are_for_their_owner(void **state)
{
	static const unsigned closed[] = {0600, 0400, 0700}, open[] = {0640, 0604, 0610, 0601, 0620, 0602, 0660, 0644};
	char *path = folder_path(&f, "x");
	struct buf b = {0}, why = {0};

	(void)state;
	folder_put(&f, "x", S("secret"));
	for (size_t i = 0; i < COUNT(closed); i++) {
		assert_int_equal(fchmodat(f.fd, "x", closed[i], 0), 0);
		assert_true(named_read(path, true, 10, &b, &why));
	}
	buf_clear(&b);
	for (size_t i = 0; i < COUNT(open); i++) {
		assert_int_equal(fchmodat(f.fd, "x", open[i], 0), 0);
		assert_false(named_read(path, true, 10, &b, &why));
		assert_int_equal(b.n, 0);
		assert_told(&why, path);
		assert_true(named_read(path, false, 10, &b, &why));
		buf_clear(&b);
	}
	mem_free(path);
	buf_free(&b);
	buf_free(&why);
}

static void replacing(void **state)
{
	char *path = folder_path(&f, "x"), *nowhere = folder_path(&f, "nowhere/x");
	struct buf why = {0}, name = {0};

	(void)state;
	umask(0);
	assert_true(named_replace(path, S("one"), &why));
	assert_true(folder_holds(&f, "x", S("one")) && mode_of("x") == 0600);
	assert_int_equal(fchmodat(f.fd, "x", 0644, 0), 0);
	assert_true(named_replace(path, S("two"), &why));
	assert_true(folder_holds(&f, "x", S("two")) && mode_of("x") == 0600);
	assert_int_equal(folder_files(&f), 1);
	/* What a crash left is no obstacle. */
	folder_put(&f, "x.tmp", S("half"));
	assert_true(named_replace(path, S(""), &why));
	assert_true(folder_holds(&f, "x", S("")) && folder_files(&f) == 1);
	assert_int_equal(why.n, 0);
	assert_false(named_replace(nowhere, S("x"), &why));
	assert_told(&why, nowhere);
	buf_addf(&name, "%s/", f.path);
	for (unsigned i = 0; i < 252; i++)
		buf_addc(&name, 'n');
	assert_false(named_replace(name.p, S("x"), &why));
	assert_told(&why, name.p);
	assert_int_equal(folder_files(&f), 1);
	mem_free(path);
	mem_free(nowhere);
	buf_free(&name);
	buf_free(&why);
}

static void removing(void **state)
{
	char *path = folder_path(&f, "x");
	struct buf why = {0};
	bool gone = true;

	(void)state;
	assert_true(named_remove(path, &gone, &why) && !gone);
	folder_put(&f, "x", S("x"));
	assert_true(named_remove(path, &gone, &why) && gone);
	assert_false(folder_has(&f, "x"));
	assert_int_equal(why.n, 0);
	mem_free(path);
	buf_free(&why);
}

/* Else "-o /dev/null" would take it away from everybody. */
static void only_regular_files_are_replaced_or_removed(void **state)
{
	static const char *const names[] = {"link", "dangling", "pipe", "folder"};
	struct buf why = {0};

	(void)state;
	folder_put(&f, "target", S("kept"));
	assert_int_equal(symlinkat("target", f.fd, "link"), 0);
	assert_int_equal(symlinkat("missing", f.fd, "dangling"), 0);
	assert_int_equal(mkfifoat(f.fd, "pipe", 0600), 0);
	assert_int_equal(mkdirat(f.fd, "folder", 0700), 0);
	for (size_t i = 0; i < COUNT(names); i++) {
		char *path = folder_path(&f, names[i]);
		bool gone = true;

		assert_false(named_replace(path, S("new"), &why));
		assert_told(&why, path);
		assert_false(named_remove(path, &gone, &why));
		assert_told(&why, path);
		assert_true(!gone && folder_has(&f, names[i]));
		mem_free(path);
	}
	assert_true(folder_holds(&f, "target", S("kept")));
	assert_int_equal(folder_files(&f), 5);
	buf_free(&why);
}

/* A password is written where nothing was: neither over a file, nor through a link of somebody else. */
static void making(void **state)
{
	static const char *const there[] = {"file", "link", "dangling", "folder"};
	char *path = folder_path(&f, "new"), *nowhere = folder_path(&f, "nowhere/new");
	struct buf why = {0};
	struct stat st;

	(void)state;
	assert_true(named_create(path, S("secret"), &why) && why.n == 0);
	assert_true(folder_holds(&f, "new", S("secret")));
	assert_int_equal(fstatat(f.fd, "new", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	folder_put(&f, "file", S("kept"));
	assert_int_equal(symlinkat("file", f.fd, "link"), 0);
	assert_int_equal(symlinkat("missing", f.fd, "dangling"), 0);
	assert_int_equal(mkdirat(f.fd, "folder", 0700), 0);
	for (size_t i = 0; i < COUNT(there); i++) {
		char *taken = folder_path(&f, there[i]);

		assert_false(named_create(taken, S("secret"), &why));
		assert_told(&why, taken);
		mem_free(taken);
	}
	assert_false(named_create(nowhere, S("secret"), &why));
	assert_told(&why, nowhere);
	assert_true(folder_holds(&f, "file", S("kept")) && !folder_has(&f, "missing"));
	mem_free(path);
	mem_free(nowhere);
	buf_free(&why);
}

/* What others may change says what they like. */
static void guarded(void **state)
{
	char *path = folder_path(&f, "x");
	struct buf why = {0};

	(void)state;
	assert_true(named_guarded(path, &why)); /* what is missing is told by whoever reads it */
	folder_put(&f, "x", S("x"));
	for (unsigned mode = 0; mode < 0777; mode++) {
		bool open = (mode & 022) != 0;

		if ((mode & 0111) != 0)
			continue;
		assert_int_equal(fchmodat(f.fd, "x", mode, 0), 0);
		assert_int_equal(named_guarded(path, &why), !open);
		assert_true((why.n > 0) == open);
		if (open)
			assert_told(&why, path);
		buf_clear(&why);
	}
	mem_free(path);
	buf_free(&why);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(beside),
		T(reading),
		T(secrets_are_for_their_owner),
		T(replacing),
		T(removing),
		T(making),
		T(guarded),
		T(only_regular_files_are_replaced_or_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
