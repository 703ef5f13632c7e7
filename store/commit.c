#include "store/commit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/list.h"
#include "core/log.h"
#include "core/mem.h"

/*
 * Group commit. A batch is a job of the disk thread; while it runs, c->batch belongs to the worker and new replacements
 * gather in c->todo.
 *
 *   commit_file -> todo -> start: batch -> run (worker) -> done (loop): start the next batch, tell this one
 *
 * Durability: result is ERR_OK only behind the fsync of the folder. If that fails, no rename of the batch is certain,
 * so all are taken back and told as failed.
 */

#define BATCH_MAX 256 /* replacements that share their fsyncs; each has a file open at the same time */

struct item {
	struct list_node node; /* in commit.todo or commit.batch */
	char name[FILE_NAME_MAX];
	struct buf octets;
	commit_fn done;
	void *arg;
	int fd;
	enum file_old old;
	enum err result;
	int cause; /* errno of the step that failed */
};

struct commit {
	struct work_job job; /* must be first: run and done get a pointer to it */
	struct work *disk;
	int dirfd;
	unsigned max, waiting;
	bool busy;
	struct list todo;  /* the next batch */
	struct list batch; /* the worker's while busy */
};

struct commit *commit_new(struct work *disk, int dirfd, unsigned queue)
{
	struct commit *c = mem_alloc(sizeof(*c));

	c->disk = disk;
	c->dirfd = dirfd;
	c->max = queue;
	list_init(&c->todo);
	list_init(&c->batch);
	return c;
}

static struct item *entry(struct list_node *n)
{
	return n == NULL ? NULL : LIST_ENTRY(n, struct item, node);
}

static struct item *first(const struct list *l)
{
	return entry(list_first(l));
}

static struct item *next(const struct list *l, const struct item *i)
{
	return entry(list_next(l, &i->node));
}

static void item_free(struct item *i)
{
	buf_wipe(&i->octets);
	mem_free(i);
}

void commit_free(struct commit *c)
{
	if (c == NULL)
		return;
	for (struct list_node *n; (n = list_take(&c->todo)) != NULL;)
		item_free(LIST_ENTRY(n, struct item, node));
	mem_free(c);
}

/* note: the result of a step, with its cause while it is known. */
static void note(struct item *i, enum err e)
{
	i->cause = errno;
	i->result = e;
}

/* The worker. Three passes, so that the fsync of the first file carries the data of all to the disk. */
static void run(struct work_job *job, unsigned worker)
{
	struct commit *c = (struct commit *)(void *)job;
	bool shown = false;
	enum err e = ERR_OK;
	int cause;

	(void)worker;
	for (struct item *i = first(&c->batch); i != NULL; i = next(&c->batch, i))
		note(i, file_prepare(c->dirfd, i->name, buf_slice(&i->octets), &i->fd));
	for (struct item *i = first(&c->batch); i != NULL; i = next(&c->batch, i))
		if (i->result == ERR_OK)
			note(i, file_settle(c->dirfd, i->name, i->fd));
	for (struct item *i = first(&c->batch); i != NULL; i = next(&c->batch, i)) {
		if (i->result == ERR_OK)
			note(i, file_show(c->dirfd, i->name, &i->old));
		shown = shown || i->result == ERR_OK;
	}
	if (shown)
		e = file_sync_dir(c->dirfd);
	cause = errno;
	for (struct item *i = first(&c->batch); i != NULL; i = next(&c->batch, i)) {
		if (i->result == ERR_OK && e == ERR_OK)
			file_shown(c->dirfd, i->name, i->old);
		else if (i->result == ERR_OK)
			file_hide(c->dirfd, i->name, i->old);
		if (i->result == ERR_OK) {
			i->result = e;
			i->cause = cause;
		}
	}
}

static void done(struct work_job *job);

/* A batch is at most BATCH_MAX long, so this is cheap beside one fsync. */
static bool name_in(const struct list *l, const char *name)
{
	for (const struct item *i = first(l); i != NULL; i = next(l, i))
		if (slice_eq(slice_str(i->name), slice_str(name)))
			return true;
	return false;
}

/*
 * start: moves what waits into a batch and submits it. A second replacement of one name would write the same temporary
 * file, so the batch ends before it. false: the pool takes nothing any more; the batch is then one of failures, which
 * done() has to tell.
 */
static bool start(struct commit *c)
{
	struct item *i = first(&c->todo);

	for (unsigned n = 0; i != NULL && n < BATCH_MAX && !name_in(&c->batch, i->name); n++, i = first(&c->todo)) {
		list_remove(&i->node);
		list_add(&c->batch, &i->node);
	}
	if (list_is_empty(&c->batch))
		return true;
	c->job = (struct work_job){.run = run, .done = done};
	c->busy = true;
	if (work_submit(c->disk, &c->job) == ERR_OK)
		return true;
	for (i = first(&c->batch); i != NULL; i = next(&c->batch, i))
		i->result = ERR_BUSY;
	return false;
}

static void tell(struct commit *c, struct list *batch)
{
	for (struct list_node *n; (n = list_take(batch)) != NULL;) {
		struct item *i = LIST_ENTRY(n, struct item, node);

		c->waiting--;
		if (i->result != ERR_OK)
			log_line(LOG_ERROR, "event=store_failed file=%s reason=%s", i->name,
				 log_esc(slice_str(i->result == ERR_BUSY ? err_str(i->result) : strerror(i->cause)))
					 .text);
		i->done(i->arg, i->result);
		item_free(i);
	}
}

/*
 * The next batch is started before this one is told, so that the disk does not idle meanwhile. If the pool is stopped
 * there will be no next batch: the loop then tells all that wait, in order.
 */
static void done(struct work_job *job)
{
	struct commit *c = (struct commit *)(void *)job;
	bool started;

	do {
		struct list batch;

		list_move(&c->batch, &batch);
		c->busy = false;
		started = start(c);
		tell(c, &batch);
	} while (!started);
}

enum err commit_file(struct commit *c, const char *name, struct buf *octets, commit_fn done_fn, void *arg)
{
	struct item *i;

	if (c->waiting >= c->max)
		return ERR_BUSY;
	i = mem_alloc(sizeof(*i));
	snprintf(i->name, sizeof(i->name), "%s", name);
	i->octets = *octets;
	*octets = (struct buf){0};
	i->done = done_fn;
	i->arg = arg;
	list_add(&c->todo, &i->node);
	c->waiting++;
	if (!c->busy && !start(c))
		done(&c->job);
	return ERR_OK;
}
