#ifndef TESTS_UNIT_FOLDER_H
#define TESTS_UNIT_FOLDER_H

/* A private folder for one test, and the way to the disk that the stores use. */

#include "tests/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/loop.h"
#include "core/work.h"
#include "store/commit.h"
#include "store/file.h"

struct folder {
	char path[64];
	int fd;
	struct loop *loop;
	struct work *disk;
	struct commit *commit;
	unsigned waiting; /* calls of folder_done that are to come */
	enum err result;  /* of the last one */
};

static inline void folder_open(struct folder *f)
{
	struct buf why = {0};

	*f = (struct folder){.path = "/tmp/vouch-unit-XXXXXX"};
	assert_non_null(mkdtemp(f->path));
	assert_int_equal(file_open_dir(f->path, false, &f->fd, &why), ERR_OK);
	buf_free(&why);
}

/* folder_remove: the folder and the files in it, one level deep. */
static inline void folder_remove(struct folder *f)
{
	DIR *dir = opendir(f->path);
	const struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (unlinkat(f->fd, entry->d_name, 0) != 0 && entry->d_name[0] != '.')
			unlinkat(f->fd, entry->d_name, AT_REMOVEDIR);
	closedir(dir);
	close(f->fd);
	assert_int_equal(rmdir(f->path), 0);
}

/* folder_start, folder_stop: a loop, a worker and a commit as the program has them. */
static inline void folder_start(struct folder *f, unsigned queue)
{
	f->loop = loop_new();
	f->disk = work_new(f->loop, 1, 8, 0);
	f->commit = commit_new(f->disk, f->fd, queue);
}

static inline void folder_stop(struct folder *f)
{
	work_free(f->disk);
	commit_free(f->commit);
	loop_free(f->loop);
}

/* folder_done: a commit_fn with the folder as its argument. folder_wait: runs the loop until all have come. */
static inline void folder_done(void *arg, enum err e)
{
	struct folder *f = arg;

	assert_true(f->waiting > 0);
	f->waiting--;
	f->result = e;
	if (f->waiting == 0)
		loop_stop(f->loop);
}

static inline enum err folder_wait(struct folder *f)
{
	while (f->waiting > 0)
		loop_run(f->loop);
	return f->result;
}

/* folder_turn: lets the loop run what was put off. */
static inline void folder_turn_over(void *arg)
{
	loop_stop(arg);
}

static inline void folder_turn(struct folder *f)
{
	loop_defer(f->loop, folder_turn_over, f->loop);
	loop_run(f->loop);
}

/* folder_put: writes a file of the folder as it is, by no code that is tested. folder_get: reads it. */
static inline void folder_put(struct folder *f, const char *name, struct slice octets)
{
	int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, octets.n > 0 ? octets.p : "", octets.n), octets.n);
	close(fd);
}

static inline struct buf folder_get(struct folder *f, const char *name)
{
	struct buf b = {0};
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	if (buf_read_file(&b, path, 64u << 20) != ERR_OK)
		fail_msg("%s cannot be read", path);
	return b;
}

/* folder_path: where the file of that name is; the caller's, free. */
static inline char *folder_path(const struct folder *f, const char *name)
{
	struct buf b = {0};

	buf_addf(&b, "%s/%s", f->path, name);
	return buf_take(&b);
}

static inline bool folder_has(struct folder *f, const char *name)
{
	return faccessat(f->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline bool folder_holds(struct folder *f, const char *name, struct slice octets)
{
	struct buf b = folder_get(f, name);
	bool same = slice_eq(buf_slice(&b), octets);

	buf_free(&b);
	return same;
}

/* folder_files: how many files there are, but for those that begin with a dot. */
static inline unsigned folder_files(struct folder *f)
{
	DIR *dir = opendir(f->path);
	const struct dirent *entry;
	unsigned n = 0;

	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

#endif
