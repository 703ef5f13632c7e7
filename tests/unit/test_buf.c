#include "tests/test.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/mem.h"

/* What a buffer promises at any time. */
static void sane(const struct buf *b)
{
	assert_true(b->cap == 0 ? b->p == NULL && b->n == 0 : b->n < b->cap);
	if (b->p != NULL)
		assert_int_equal(b->p[b->n], '\0');
}

static void appending(void **state)
{
	struct buf b = {0};

	(void)state;
	sane(&b);
	assert_null(buf_slice(&b).p);
	buf_add(&b, SLICE_NONE);
	sane(&b);
	assert_string_equal(b.p, "");
	buf_adds(&b, "ab");
	buf_addc(&b, '\0');
	buf_add(&b, S("c\0d"));
	buf_addu(&b, 0);
	buf_addu(&b, UINT64_MAX);
	buf_addf(&b, "%s-%d", "x", -5);
	buf_addf(&b, "%s", "");
	sane(&b);
	assert_true(slice_eq(buf_slice(&b), S("ab\0c\0d018446744073709551615x--5")));
	buf_clear(&b);
	sane(&b);
	assert_true(b.n == 0 && b.cap > 0);
	buf_free(&b);
	sane(&b);
	buf_free(&b);
}

/* Octet by octet over many growths, against a plain array. */
static void growth(void **state)
{
	struct buf b = {0};
	char *expected = malloc(70000);

	(void)state;
	for (size_t i = 0; i < 70000; i++) {
		expected[i] = (char)(i * 31);
		buf_addc(&b, expected[i]);
		sane(&b);
	}
	assert_true(slice_eq(buf_slice(&b), slice_of(expected, 70000)));
	/* One piece that is larger than twice what is there. */
	for (int i = 0; i < 4; i++)
		buf_add(&b, slice_of(expected, 70000));
	assert_int_equal(b.n, 350000);
	assert_true(slice_ends(buf_slice(&b), slice_of(expected, 70000)));
	buf_free(&b);
	for (size_t n = 60; n < 70; n++) {
		buf_addf(&b, "%.*s", (int)n, "0123456789012345678901234567890123456789012345678901234567890123456789");
		assert_int_equal(b.n, n);
		sane(&b);
		buf_free(&b);
	}
	free(expected);
}

static void reserving(void **state)
{
	struct buf b = {0};
	char *at;

	(void)state;
	at = buf_reserve(&b, 100);
	sane(&b);
	assert_true(at == b.p && b.n == 0 && b.cap > 100);
	memset(at, 'x', 100);
	buf_commit(&b, 3);
	assert_string_equal(b.p, "xxx");
	/* Room that is there is not asked for again. */
	at = buf_reserve(&b, 10);
	assert_ptr_equal(at, b.p + 3);
	buf_commit(&b, 0);
	sane(&b);
	buf_wipe(&b);
	sane(&b);
}

static void dropping(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_drop(&b, 0);
	sane(&b);
	buf_adds(&b, "abcdef");
	buf_drop(&b, 0);
	assert_string_equal(b.p, "abcdef");
	buf_drop(&b, 2);
	sane(&b);
	assert_string_equal(b.p, "cdef");
	buf_drop(&b, 4);
	sane(&b);
	assert_int_equal(b.n, 0);
	buf_free(&b);
}

static void taking(void **state)
{
	struct buf b = {0};
	char *p;

	(void)state;
	assert_null(buf_take(&b));
	buf_adds(&b, "abc");
	p = buf_take(&b);
	sane(&b);
	assert_true(b.p == NULL);
	assert_string_equal(p, "abc");
	mem_free(p);
}

static void files(void **state)
{
	char path[] = "/tmp/vouch-unit-XXXXXX";
	int fd = mkstemp(path);
	struct buf b = {0};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(buf_read_file(&b, path, 0), ERR_OK);
	sane(&b);
	assert_int_equal(b.n, 0);
	assert_int_equal(write(fd, "12\0 5", 5), 5);
	buf_adds(&b, "kept");
	assert_int_equal(buf_read_file(&b, path, 4), ERR_LIMIT);
	sane(&b);
	assert_string_equal(b.p, "kept");
	assert_int_equal(buf_read_file(&b, "/tmp", 4), ERR_IO);
	assert_int_equal(buf_read_file(&b, "/nonexistent/file", 4), ERR_NOTFOUND);
	sane(&b);
	assert_string_equal(b.p, "kept");
	assert_int_equal(buf_read_file(&b, path, 5), ERR_OK);
	assert_true(slice_eq(buf_slice(&b), S("kept12\0 5")));
	buf_free(&b);
	/* Larger than what is read at once. */
	for (int i = 0; i < 3000; i++)
		assert_int_equal(write(fd, "abcdefg", 7), 7);
	assert_int_equal(buf_read_file(&b, path, 21005), ERR_OK);
	assert_int_equal(b.n, 21005);
	assert_true(slice_ends(buf_slice(&b), S("gabcdefg")));
	buf_free(&b);
	close(fd);
	unlink(path);
}

/* --- core/mem, core/err --- */

static void memory(void **state)
{
	unsigned char *p = mem_alloc(1000);
	char *s = mem_strdup("abc");

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	memset(p, 7, 1000);
	p = mem_resize(p, 2000);
	assert_true(p[0] == 7 && p[999] == 7);
	mem_wipe(p + 1, 998);
	assert_true(p[0] == 7 && p[1] == 0 && p[998] == 0 && p[999] == 7);
	mem_wipe(NULL, 0);
	mem_free(p);
	p = mem_calloc(10, 10);
	for (int i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	mem_free(p);
	p = mem_calloc(0, 10);
	assert_non_null(p);
	mem_free(p);
	p = mem_resize(NULL, 5);
	mem_free(p);
	mem_free(NULL);
	assert_string_equal(s, "abc");
	mem_free(s);
	assert_true(mem_equal_ct("abc", "abd", 2) && !mem_equal_ct("abc", "abd", 3) && mem_equal_ct("a", "b", 0));
	assert_false(mem_equal_ct("\x80", "\x00", 1) || mem_equal_ct("xbc", "abc", 3));
}

/* A product that does not fit is no small piece of memory: the process ends. */
static void too_much_memory(void **state)
{
	volatile size_t half = SIZE_MAX / 2 + 1;
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(0);
		mem_calloc(half, 2);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void error_names(void **state)
{
	(void)state;
	for (int e = ERR_OK; e <= ERR_CLOSED; e++) {
		assert_true(err_str((enum err)e)[0] >= 'a' && err_str((enum err)e)[0] <= 'z');
		for (int other = ERR_OK; other < e; other++)
			assert_string_not_equal(err_str((enum err)e), err_str((enum err)other));
		assert_string_not_equal(err_str((enum err)e), "unknown error");
	}
}

/* A regular file of many blocks is read without moving: a copy of a key would stay where the memory was before. */
static void a_file_is_read_in_place(void **state)
{
	int fd = memfd_create("key", 0);
	char block[1000];
	struct buf b = {0};
	size_t cap;

	(void)state;
	memset(block, 'k', sizeof(block));
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(buf_read_fd(&b, fd, 200000), ERR_OK);
	assert_int_equal(b.n, 100 * sizeof(block));
	/* Growing doubles: what was reserved for the whole file at once is less than what 13 doublings come to. */
	cap = b.cap;
	buf_reserve(&b, 1);
	assert_int_equal(b.cap, cap);
	assert_in_range(cap, b.n, b.n + 2 * 8192);
	buf_free(&b);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(buf_read_fd(&b, fd, 99999), ERR_LIMIT);
	assert_int_equal(b.n, 0);
	buf_free(&b);
	close(fd);
}

/* G25: what a buffer drops is not in its memory any more; nor what resizing moves, which /proc shows in the servers. */
static void what_is_dropped_is_gone(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_adds(&b, "one secret and another");
	buf_drop(&b, 11);
	assert_string_equal(b.p, "and another");
	for (size_t i = b.n; i < 22; i++)
		assert_int_equal(b.p[i], '\0');
	buf_clear(&b);
	for (size_t i = 0; i < 22; i++)
		assert_int_equal(b.p[i], '\0');
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_in_place),
		cmocka_unit_test(appending),
		cmocka_unit_test(growth),
		cmocka_unit_test(reserving),
		cmocka_unit_test(dropping),
		cmocka_unit_test(what_is_dropped_is_gone),
		cmocka_unit_test(taking),
		cmocka_unit_test(files),
		cmocka_unit_test(memory),
		cmocka_unit_test(error_names),
		cmocka_unit_test(too_much_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
