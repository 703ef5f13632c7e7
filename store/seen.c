#include "store/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "store/file.h"

/* Two append-only files of fixed-size records: 8 octets of time, big-endian, and the key. */

#define RECORD (8 + SEEN_KEY)
#define FILE_MAX (1u << 30) /* octets of a file that are read at the start */

struct seen {
	char name[FILE_NAME_MAX];
	uint32_t keep_s;
	struct {
		int fd;
		int64_t since_s; /* when its first record was added; 0: the file is empty */
	} files[2];
	unsigned current;
	bool failed; /* the last write failed: one line in the log is enough */
};

static void put_time(uint8_t *out, int64_t t)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)((uint64_t)t >> (56 - 8 * i));
}

static int64_t get_time(const uint8_t *in)
{
	uint64_t t = 0;

	for (unsigned i = 0; i < 8; i++)
		t = t << 8 | in[i];
	return (int64_t)t;
}

/*
 * open_one: opens one of the two files and reads it into out. A part of a record at its end, left by a crash, is cut
 * off.
 */
static enum err open_one(struct seen *s, int dirfd, unsigned which, struct buf *out)
{
	char name[FILE_NAME_MAX + 2];
	enum err e;
	int fd;

	snprintf(name, sizeof(name), "%s.%u", s->name, which);
	e = file_read(dirfd, name, FILE_MAX, out);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	fd = file_create(dirfd, name, O_WRONLY | O_APPEND, false);
	if (fd < 0)
		return ERR_IO;
	s->files[which].fd = fd;
	if (out->n % RECORD != 0 && ftruncate(fd, (off_t)(out->n - out->n % RECORD)) != 0)
		return ERR_IO;
	if (out->n >= RECORD)
		s->files[which].since_s = get_time((const uint8_t *)out->p) - s->keep_s;
	return ERR_OK;
}

/*
 * A time later than any that is written now comes from damage, or from a clock that was ahead then or is behind now.
 * The record counts, but no longer than a new one would.
 */
static void replay(const struct seen *s, const struct buf *b, int64_t now_s, seen_fn on_record, void *arg)
{
	for (size_t at = 0; at + RECORD <= b->n; at += RECORD) {
		const uint8_t *r = (const uint8_t *)b->p + at;
		int64_t until_s = get_time(r);

		if (until_s > now_s)
			on_record(arg, r + 8, until_s < now_s + s->keep_s ? until_s : now_s + s->keep_s);
	}
}

enum err seen_open(int dirfd, const char *name, uint32_t keep_s, int64_t now_s, seen_fn on_record, void *arg,
		   struct seen **out)
{
	struct seen *s = mem_alloc(sizeof(*s));
	struct buf octets[2] = {{0}, {0}};
	enum err e;

	s->keep_s = keep_s;
	s->files[0].fd = s->files[1].fd = -1;
	snprintf(s->name, sizeof(s->name), "%s", name);
	e = open_one(s, dirfd, 0, &octets[0]);
	if (e == ERR_OK)
		e = open_one(s, dirfd, 1, &octets[1]);
	if (e == ERR_OK) {
		s->current = s->files[1].since_s > s->files[0].since_s;
		/* The older file first, so that on_record sees the order of adding. */
		replay(s, &octets[1 - s->current], now_s, on_record, arg);
		replay(s, &octets[s->current], now_s, on_record, arg);
		*out = s;
	} else {
		seen_free(s);
	}
	buf_free(&octets[0]);
	buf_free(&octets[1]);
	return e;
}

void seen_free(struct seen *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (s->files[i].fd >= 0)
			close(s->files[i].fd);
	mem_free(s);
}

/*
 * turn_over: when the current file was begun more than keep_s ago, everything in the other one is older still and
 * counts no more. Empty that one and go on there.
 */
static void turn_over(struct seen *s, int64_t now_s)
{
	unsigned next = 1 - s->current;

	/* A begin in the future comes from a clock that was set, or from damage: count from now. */
	if (s->files[s->current].since_s == 0 || s->files[s->current].since_s > now_s)
		s->files[s->current].since_s = now_s;
	if (now_s - s->files[s->current].since_s <= s->keep_s || ftruncate(s->files[next].fd, 0) != 0)
		return;
	s->current = next;
	s->files[next].since_s = now_s;
}

void seen_add(struct seen *s, const uint8_t key[SEEN_KEY], int64_t now_s)
{
	uint8_t record[RECORD];
	ssize_t n;

	turn_over(s, now_s);
	put_time(record, now_s + s->keep_s);
	memcpy(record + 8, key, SEEN_KEY);
	n = write(s->files[s->current].fd, record, RECORD);
	if (n != RECORD && !s->failed)
		log_line(LOG_ERROR, "event=store_failed file=%s.%u reason=%s", s->name, s->current,
			 log_esc(slice_str(n < 0 ? strerror(errno) : "short write")).text);
	/* Cut off a part of a record, which would put all records behind it out of step. */
	if (n > 0 && n != RECORD) {
		off_t end = lseek(s->files[s->current].fd, 0, SEEK_END);

		if (end < n || ftruncate(s->files[s->current].fd, end - n) != 0)
			log_line(LOG_ERROR, "event=store_failed file=%s.%u reason=torn", s->name, s->current);
	}
	s->failed = n != RECORD;
}
