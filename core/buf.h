#ifndef CORE_BUF_H
#define CORE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/slice.h"

/*
 * A growing run of octets with one owner. {0} is an empty buffer. Appending cannot fail, because exhausted memory
 * aborts (core/mem.h); a caller therefore caps whatever a peer can make grow. A NUL is kept behind the octets and not
 * counted, so that text can be given to C functions. All functions append behind what is there.
 */
struct buf {
	char *p;
	size_t n;   /* octets in use */
	size_t cap; /* octets allocated, 0 or > n */
};

/*
 * buf_free: gives the memory back and leaves an empty buffer. buf_wipe: the same, to say that a secret was in it. No
 * octets that a buffer had before stay in memory, whether it is freed, grows, is cleared or lets go of some (G25).
 */
void buf_free(struct buf *b);
void buf_wipe(struct buf *b);

/* buf_clear: empty, memory kept and overwritten. */
void buf_clear(struct buf *b);

/* buf_slice: the octets in use; valid until the next change of b. */
struct slice buf_slice(const struct buf *b);

/*
 * buf_reserve: makes room for more octets behind the ones in use and returns where they go, valid until the next change
 * of b. buf_commit: n of them (at most more) were written and are in use now. buf_grow is the slow half of buf_reserve.
 */
void buf_grow(struct buf *b, size_t more);

static inline char *buf_reserve(struct buf *b, size_t more)
{
	if (more >= b->cap - b->n) /* one octet is for the NUL; cap - n is 0 only while there is nothing */
		buf_grow(b, more);
	return b->p + b->n;
}

static inline void buf_commit(struct buf *b, size_t n)
{
	b->n += n;
	b->p[b->n] = '\0';
}

static inline void buf_add(struct buf *b, struct slice s)
{
	char *at = buf_reserve(b, s.n);

	if (s.n > 0)
		memcpy(at, s.p, s.n);
	buf_commit(b, s.n);
}

static inline void buf_addc(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	buf_commit(b, 1);
}

/* The same for a NUL-terminated string, a number, and printf text of any length. */
void buf_adds(struct buf *b, const char *s);
void buf_addu(struct buf *b, uint64_t v); /* decimal */
void buf_addx(struct buf *b, uint64_t v); /* 16 lower-case hexadecimal digits */
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* buf_drop: removes the first n octets (n <= b->n) and moves the rest to the front, which costs O(rest). */
void buf_drop(struct buf *b, size_t n);

/* buf_take: the octets become the caller's (free with mem_free) and b is empty. NULL when nothing was allocated. */
char *buf_take(struct buf *b);

/*
 * buf_read_fd: appends what fd has up to its end, at most max octets. buf_read_file: the same of the file at path.
 * ERR_NOTFOUND, ERR_LIMIT, ERR_IO (errno is set). On an error b has what it had before, and the octets read are
 * overwritten. A regular file is read into one piece of memory that does not move, so buf_wipe leaves nothing of a key.
 */
MUST_USE enum err buf_read_fd(struct buf *b, int fd, size_t max);
MUST_USE enum err buf_read_file(struct buf *b, const char *path, size_t max);

#endif
