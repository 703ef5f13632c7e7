#ifndef CORE_SLICE_H
#define CORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/err.h"

/*
 * A borrowed run of octets, passed by value. It owns nothing; each struct that stores a slice names the owner of the
 * octets. p may be NULL only when n is 0. {NULL, 0} is "absent", {p, 0} with p != NULL is "present and empty". Octets
 * are not NUL-terminated and may contain NUL; print with "%.*s" and SLICE_ARG(s), and only octets known to be text.
 */
struct slice {
	const char *p;
	size_t n;
};

#define S(lit) ((struct slice){"" lit, sizeof(lit) - 1})
#define SLICE_NONE ((struct slice){NULL, 0})
#define SLICE_ARG(s) (int)(s).n, (s).n > 0 ? (s).p : ""

/* slice_of: n octets at p. slice_str: the characters of a NUL-terminated string (NULL gives SLICE_NONE). */
static inline struct slice slice_of(const void *p, size_t n)
{
	return (struct slice){p, n};
}

static inline struct slice slice_str(const char *s)
{
	return s == NULL ? SLICE_NONE : (struct slice){s, strlen(s)};
}

/* slice_sub: the octets from index from up to (not including) to; both are clamped to s. */
static inline struct slice slice_sub(struct slice s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	return s.p == NULL ? s : (struct slice){s.p + from, to - from};
}

/* slice_trim: s without blanks, tabs, CR and LF at both ends. */
struct slice slice_trim(struct slice s);

/* slice_eq: octet by octet; absent equals empty. slice_ieq: ASCII letters compare without case. */
static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_ieq(struct slice a, struct slice b);

/* slice_starts, slice_istarts, slice_ends: does s begin (end) with prefix (suffix)? */
bool slice_starts(struct slice s, struct slice prefix);
bool slice_istarts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);

/* slice_chr, slice_rchr: index of the first (last) octet c, or s.n when there is none. */
size_t slice_chr(struct slice s, char c);
size_t slice_rchr(struct slice s, char c);

/* slice_find: index of the first occurrence of needle at or after from, or s.n. */
size_t slice_find(struct slice s, struct slice needle, size_t from);

/*
 * slice_cut: splits s at the first c: *head is before it, *tail behind it. false, with both untouched, when c is
 * absent.
 */
bool slice_cut(struct slice s, char c, struct slice *head, struct slice *tail);

/*
 * slice_u32, slice_u64: the value of s, which is decimal digits only, at least one, and at most max. false otherwise,
 * with *out untouched. A sign, a blank or an overflow is an error: a Content-Length of "12abc" or 2^32+1 must not
 * become a small number.
 */
MUST_USE bool slice_u32(struct slice s, uint32_t max, uint32_t *out);
MUST_USE bool slice_u64(struct slice s, uint64_t max, uint64_t *out);

/* slice_dup: a new octet copy of s with a NUL behind it (which is not counted). Free with mem_free. */
char *slice_dup(struct slice s);

/*
 * slice_copy: a slice over slice_dup(s), which the caller frees by slice_drop. slice_drop ignores an absent slice and
 * leaves *s absent.
 */
struct slice slice_copy(struct slice s);
void slice_drop(struct slice *s);

/* slice_hex: s is 1 to 16 hexadecimal digits, in either case, and nothing else; *out is their value. */
MUST_USE bool slice_hex(struct slice s, uint64_t *out);

/*
 * slice_list, slice_item: the elements of a comma-separated text, blanks around them taken off:
 *     for (struct slice rest = slice_list(text), item; slice_item(&rest, &item);)
 * A blank text has none. An element may be empty, as the second of "a,,b", and it is the caller's to refuse it. For
 * lists of SIP header fields, whose quotes and brackets hide commas, see scan_list.
 */
struct slice slice_list(struct slice text);
bool slice_item(struct slice *rest, struct slice *item);

/* ascii_hex: the value of a hexadecimal digit in either case, or -1. */
int ascii_hex(char c);

/* ascii_lower: c, or its lower-case form when it is one of A..Z. Never looks at the locale. */
static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

#endif
