#include "core/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

#define BLOCK 8192 /* octets of one read */

/*
 * A growing buffer. Invariant: p is NULL and n, cap are 0, or n < cap and p[n] is NUL. Capacity doubles, so that
 * appending an octet at a time costs O(1) on average.
 */

void buf_free(struct buf *b)
{
	mem_free(b->p);
	*b = (struct buf){0};
}

void buf_wipe(struct buf *b)
{
	buf_free(b);
}

void buf_clear(struct buf *b)
{
	mem_wipe(b->p, b->n);
	b->n = 0;
}

struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->p, b->n};
}

void buf_grow(struct buf *b, size_t more)
{
	size_t need = b->n + more + 1;
	size_t cap = b->cap < 64 ? 64 : b->cap * 2;

	/* The sum wrapped around: no such size can be meant. */
	if (need <= more)
		abort();
	if (cap < need)
		cap = need;
	b->p = mem_resize(b->p, cap);
	b->p[b->n] = '\0';
	b->cap = cap;
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, slice_str(s));
}

void buf_addu(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	buf_add(b, (struct slice){digits + i, sizeof(digits) - i});
}

void buf_addx(struct buf *b, uint64_t v)
{
	char digits[16];

	for (size_t i = 16; i > 0; v >>= 4)
		digits[--i] = "0123456789abcdef"[v & 15];
	buf_add(b, (struct slice){digits, sizeof(digits)});
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	size_t room;
	va_list ap;
	int n;

	buf_reserve(b, 64); /* mostly enough; vsnprintf tells the size that it needs, and a second pass writes it */
	room = b->cap - b->n;
	va_start(ap, fmt);
	n = vsnprintf(b->p + b->n, room, fmt, ap);
	va_end(ap);
	/* An encoding error of libc: nothing is appended, but the NUL may have been overwritten. */
	if (n < 0) {
		b->p[b->n] = '\0';
		return;
	}
	if ((size_t)n >= room) {
		buf_reserve(b, (size_t)n);
		va_start(ap, fmt);
		vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->n += (size_t)n;
}

void buf_drop(struct buf *b, size_t n)
{
	b->n -= n;
	if (b->n > 0)
		memmove(b->p, b->p + n, b->n);
	if (n > 0)
		mem_wipe(b->p + b->n, n);
}

char *buf_take(struct buf *b)
{
	char *p = b->p;

	*b = (struct buf){0};
	return p;
}

enum err buf_read_fd(struct buf *b, int fd, size_t max)
{
	size_t start = b->n;
	enum err e = ERR_OK;
	struct stat st;

	/* All of a file at once, because growing would leave copies behind, and the file may be a key. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && (uintmax_t)st.st_size <= max)
		buf_reserve(b, (size_t)st.st_size + BLOCK);
	for (;;) {
		char *at = buf_reserve(b, BLOCK);
		ssize_t n = read(fd, at, BLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			e = n == 0 ? ERR_OK : ERR_IO;
			break;
		}
		buf_commit(b, (size_t)n);
		/*
		 * Looked at after each block, so at most one block more than max is read. fstat would not do: files in
		 * /proc have no size.
		 */
		if (b->n - start > max) {
			e = ERR_LIMIT;
			break;
		}
	}
	if (e != ERR_OK) {
		int saved = errno;

		mem_wipe(b->p + start, b->n - start);
		b->n = start;
		b->p[start] = '\0';
		errno = saved;
	}
	return e;
}

enum err buf_read_file(struct buf *b, const char *path, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), saved;
	enum err e;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	e = buf_read_fd(b, fd, max);
	saved = errno;
	close(fd);
	errno = saved;
	return e;
}
