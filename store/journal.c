#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/siphash.h"

/*
 * Lines go to "waiting" and are appended to the file by flush, at the end of the turn. The owner has the living state
 * in memory; the file is only for the next start.
 *
 * A snapshot replaces the file by way of commit. While it is on its way:
 *
 *   old file    gets all lines still, in case the snapshot fails
 *   NAME.next   gets the same lines, in case the process dies when the snapshot is in place already
 *   since       has the same lines in memory, to be appended to the snapshot when the loop learns of it
 *
 * At the start the file is replayed, then NAME.next if it is there. Lines that are in both are replayed twice, in the
 * same order, and lead to the same state.
 */

/* Octets. Below that a rewrite wears the flash more than the history that it saves. */
#define COMPACT_FROM (256u << 10)

struct journal {
	struct loop *loop;
	struct commit *commit;
	journal_snapshot_fn snapshot;
	void *arg;
	int dirfd, fd;
	int next; /* NAME.next while a snapshot is on its way, else -1 */
	char name[FILE_NAME_MAX], next_name[FILE_NAME_MAX];
	struct buf waiting; /* lines for the end of the turn */
	struct buf since;   /* while a snapshot is on its way: what it does not have */
	struct buf *into;   /* where lines go now: waiting, or the snapshot being made */
	size_t size, live;  /* octets of the file, and of its last snapshot */
	size_t max;         /* octets that the file may have; a larger one could not be read at the next start */
	size_t tried;       /* octets written since a snapshot failed: the next one is not tried in each turn */
	bool scheduled, compacting, closed;
	bool failed; /* the last snapshot */
	bool torn;   /* the last write ended within a line */
};

/*
 * SipHash under a known key: protects against damage, not against forgery. Whoever can write to this folder could
 * compute any checksum.
 */
static uint64_t checksum(struct slice s)
{
	return siphash(0, 0, s);
}

bool journal_line(struct slice line, struct slice *key, struct slice *value)
{
	size_t last = slice_rchr(line, ' ');
	struct slice fields = slice_sub(line, 0, last), rest;
	struct buf expected = {0};
	bool whole;

	if (last == line.n)
		return false;
	buf_addx(&expected, checksum(fields));
	whole = slice_eq(slice_sub(line, last + 1, line.n), buf_slice(&expected));
	buf_free(&expected);
	if (!whole)
		return false;
	if (slice_starts(fields, S("- "))) {
		*key = slice_sub(fields, 2, fields.n);
		*value = SLICE_NONE;
		return slice_chr(*key, ' ') == key->n;
	}
	rest = slice_sub(fields, 2, fields.n);
	return slice_starts(fields, S("+ ")) && slice_cut(rest, ' ', key, value);
}

static enum err open_file(struct journal *j)
{
	int fd = file_create(j->dirfd, j->name, O_WRONLY | O_APPEND, false);

	if (fd < 0)
		return ERR_IO;
	if (j->fd >= 0)
		close(j->fd);
	j->fd = fd;
	return ERR_OK;
}

static bool write_to(int fd, const struct buf *b, size_t *done)
{
	while (*done < b->n) {
		ssize_t n = write(fd, b->p + *done, b->n - *done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		*done += (size_t)n;
	}
	return true;
}

/* Appends b to the file. A failure is logged and not returned: nobody was told that these lines are durable. */
static void write_all(struct journal *j, const struct buf *b)
{
	size_t done = 0;

	if (b->n > j->max || j->size > j->max - b->n) {
		log_line(LOG_ERROR, "event=store_failed file=%s reason=full octets=%zu", j->name, j->size);
		return;
	}
	/* The last write stopped within a line. End that line, so that it does not spoil the next one as well. */
	if (j->torn && write(j->fd, "\n", 1) == 1) {
		j->torn = false;
		j->size++;
	}
	if (!write_to(j->fd, b, &done)) {
		/* Not acknowledged to anybody as durable. The next snapshot has what is lost here. */
		log_line(LOG_ERROR, "event=store_failed file=%s reason=%s", j->name,
			 log_esc(slice_str(strerror(errno))).text);
		j->torn = j->torn || (done > 0 && b->p[done - 1] != '\n');
	}
	j->size += done;
}

/*
 * After a worker has renamed the snapshot, the old journal file has no name any more, but the loop does not know it
 * yet. Lines written in that window go to NAME.next as well, which the next start reads.
 */
static bool open_next(struct journal *j)
{
	j->next = file_create(j->dirfd, j->next_name, O_WRONLY, true);
	return j->next >= 0;
}

static void close_next(struct journal *j)
{
	if (j->next < 0)
		return;
	unlinkat(j->dirfd, j->next_name, 0);
	close(j->next);
	j->next = -1;
}

static void write_next(struct journal *j)
{
	size_t done = 0;

	if (!write_to(j->next, &j->waiting, &done))
		log_line(LOG_ERROR, "event=store_failed file=%s reason=%s", j->next_name,
			 log_esc(slice_str(strerror(errno))).text);
	buf_add(&j->since, buf_slice(&j->waiting));
}

/* The snapshot is in place, or it failed. In place: append to it what came since, and only then remove NAME.next. */
static void on_snapshot(void *arg, enum err e)
{
	struct journal *j = arg;

	j->compacting = false;
	j->failed = e != ERR_OK;
	j->tried = 0;
	if (e == ERR_OK && open_file(j) == ERR_OK) {
		j->size = j->live;
		j->torn = false;
		write_all(j, &j->since);
	}
	close_next(j);
	buf_free(&j->since);
}

static void compact(struct journal *j)
{
	struct buf all = {0};

	if (!open_next(j))
		return;
	/* The owner calls journal_put for all that is alive; its lines go into the snapshot. */
	j->into = &all;
	j->snapshot(j->arg, j);
	j->into = &j->waiting;
	j->live = all.n;
	j->compacting = true;
	if (commit_file(j->commit, j->name, &all, on_snapshot, j) != ERR_OK) {
		j->compacting = false;
		j->failed = true;
		j->tried = 0;
		close_next(j);
		buf_free(&all);
	}
}

/*
 * Most of the file is history (a quarter is alive), or it comes near to its limit. After a failed snapshot wait until
 * as much is written as one would save.
 */
static bool wants_snapshot(const struct journal *j)
{
	if (j->compacting || j->size <= COMPACT_FROM || (j->failed && j->tried < COMPACT_FROM))
		return false;
	return j->size > 4 * j->live || j->size > j->max / 2 + j->live / 2;
}

static void flush(void *arg)
{
	struct journal *j = arg;

	/* journal_free came between loop_defer and this call, and left the memory to it. */
	if (j->closed) {
		mem_free(j);
		return;
	}
	j->scheduled = false;
	write_all(j, &j->waiting);
	if (j->compacting)
		write_next(j);
	j->tried += j->waiting.n;
	buf_free(&j->waiting);
	if (wants_snapshot(j))
		compact(j);
}

static void add_line(struct journal *j, char op, struct slice key, struct slice value)
{
	struct buf *out = j->into;
	size_t start = out->n;
	uint64_t sum;

	buf_addc(out, op);
	buf_addc(out, ' ');
	buf_add(out, key);
	if (op == '+') {
		buf_addc(out, ' ');
		buf_add(out, value);
	}
	sum = checksum(slice_of(out->p + start, out->n - start));
	buf_addc(out, ' ');
	buf_addx(out, sum);
	buf_addc(out, '\n');
	if (out != &j->waiting && out->n > j->max - j->max / 8) {
		/*
		 * A snapshot must leave an eighth of the limit for the lines behind it. An entry that does not fit is
		 * dropped: it lives in memory and is lost at the next start.
		 */
		out->n = start;
		out->p[start] = '\0';
		return;
	}
	if (out == &j->waiting && !j->scheduled) {
		j->scheduled = true;
		loop_defer(j->loop, flush, j);
	}
}

void journal_put(struct journal *j, struct slice key, struct slice value)
{
	add_line(j, '+', key, value);
}

void journal_delete(struct journal *j, struct slice key)
{
	add_line(j, '-', key, SLICE_NONE);
}

static void replay_all(struct journal *j, struct slice text, journal_fn replay)
{
	struct slice line, key, value;
	unsigned number = 0;

	while (slice_cut(text, '\n', &line, &text)) {
		number++;
		if (journal_line(line, &key, &value))
			replay(j->arg, key, value);
		else
			log_line(LOG_ERROR, "event=bad_journal_line file=%s line=%u", j->name, number);
	}
	/*
	 * The rest has no line end: a write was interrupted. Perhaps only that octet is missing, and then the checksum
	 * is right.
	 */
	if (journal_line(text, &key, &value))
		replay(j->arg, key, value);
}

/*
 * Lines that were written while a snapshot was on its way. The file may have them or not; they are appended to it, and
 * NAME.next is removed.
 */
static void replay_next(struct journal *j, journal_fn replay)
{
	struct buf text = {0};

	if (file_read(j->dirfd, j->next_name, j->max, &text) == ERR_OK) {
		replay_all(j, buf_slice(&text), replay);
		buf_add(&j->waiting, buf_slice(&text));
		if (text.n > 0 && text.p[text.n - 1] != '\n')
			buf_addc(&j->waiting, '\n');
		write_all(j, &j->waiting);
		buf_clear(&j->waiting);
		unlinkat(j->dirfd, j->next_name, 0);
	}
	buf_free(&text);
}

enum err journal_open(struct loop *l, struct commit *commit, int dirfd, const char *name, size_t max, journal_fn replay,
		      journal_snapshot_fn snapshot, void *arg, struct journal **out)
{
	struct journal *j = mem_alloc(sizeof(*j));
	struct buf text = {0};
	enum err e;

	j->loop = l;
	j->commit = commit;
	j->dirfd = dirfd;
	j->fd = j->next = -1;
	j->snapshot = snapshot;
	j->arg = arg;
	j->into = &j->waiting;
	snprintf(j->name, sizeof(j->name), "%s", name);
	snprintf(j->next_name, sizeof(j->next_name), "%s.next", name);
	j->max = max;
	e = file_read(dirfd, name, max, &text);
	if (e == ERR_LIMIT) {
		log_line(LOG_ERROR, "event=quarantine file=%s reason=more_than_%zu_octets", name, max);
		file_set_aside(dirfd, name);
		e = ERR_NOTFOUND;
	}
	if (e == ERR_OK)
		replay_all(j, buf_slice(&text), replay);
	if (e == ERR_OK || e == ERR_NOTFOUND) {
		j->size = text.n;
		e = open_file(j);
	}
	/* The file does not end with a line end: a torn last line must not swallow the first new one. */
	if (e == ERR_OK && text.n > 0 && text.p[text.n - 1] != '\n')
		buf_addc(&j->waiting, '\n');
	if (e == ERR_OK)
		replay_next(j, replay);
	buf_free(&text);
	if (e != ERR_OK) {
		mem_free(j);
		return e;
	}
	*out = j;
	return ERR_OK;
}

void journal_free(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->waiting.n > 0)
		write_all(j, &j->waiting);
	close(j->fd);
	if (j->next >= 0)
		close(j->next); /* NAME.next stays: a snapshot may be in place already, without these lines */
	buf_free(&j->waiting);
	buf_free(&j->since);
	/* A deferred flush still has the pointer; it frees j then. */
	j->closed = true;
	if (!j->scheduled)
		mem_free(j);
}
