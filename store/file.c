#include "store/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

/*
 * Files of the store. All opens are relative to a descriptor of the folder and follow no links, so nothing outside can
 * be reached through a name in it.
 */

/* adopt: see file_create. false: it cannot be done. */
static bool adopt(int dirfd, int fd)
{
	struct stat folder, own;

	if (geteuid() != 0)
		return true;
	if (fstat(dirfd, &folder) != 0 || fstat(fd, &own) != 0)
		return false;
	return own.st_uid == folder.st_uid || fchown(fd, folder.st_uid, folder.st_gid) == 0;
}

bool file_make_dir(int dirfd, const char *name)
{
	int fd, saved;
	bool ok;

	if (mkdirat(dirfd, name, 0700) != 0)
		return errno == EEXIST;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	ok = fd >= 0 && adopt(dirfd, fd);
	saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return ok;
}

/* make_at: the folder at this path, in the folder that it is in. */
static bool make_at(const char *path)
{
	struct slice rest = slice_str(path), name;
	struct buf parent = {0}, last = {0};
	int dirfd, saved;
	bool ok;

	while (rest.n > 1 && rest.p[rest.n - 1] == '/')
		rest.n--;
	name = slice_sub(rest, slice_rchr(rest, '/') == rest.n ? 0 : slice_rchr(rest, '/') + 1, rest.n);
	if (name.n == 0) /* the root */
		return true;
	buf_add(&parent, slice_sub(rest, 0, rest.n - name.n));
	buf_adds(&parent, parent.n == 0 ? "." : "");
	buf_add(&last, name);
	dirfd = open(parent.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = dirfd >= 0 && file_make_dir(dirfd, last.p);
	saved = errno;
	if (dirfd >= 0)
		close(dirfd);
	buf_free(&parent);
	buf_free(&last);
	errno = saved;
	return ok;
}

enum err file_open_dir(const char *path, bool create, int *dirfd, struct buf *why)
{
	struct stat st;
	int fd;

	if (create && !make_at(path)) {
		buf_addf(why, "cannot make the folder %s: %s", path, strerror(errno));
		return ERR_IO;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		buf_addf(why, "cannot open the folder %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	/* The checks are on the descriptor, not on the path, which could lead elsewhere a moment later. */
	if (geteuid() != 0 && st.st_uid != geteuid()) {
		buf_addf(why, "the folder %s belongs to user %u; it holds keys: it has to belong to user %u", path,
			 (unsigned)st.st_uid, (unsigned)geteuid());
		close(fd);
		return ERR_IO;
	}
	if ((st.st_mode & 077) != 0) {
		buf_addf(why, "the folder %s is open to others (mode %04o); it holds keys: chmod 0700 it", path,
			 st.st_mode & 07777);
		close(fd);
		return ERR_IO;
	}
	*dirfd = fd;
	return ERR_OK;
}

/* make: a file that is not there yet; it gets the owner of the folder, which nothing does that was there before. */
static int make(int dirfd, const char *name, int flags)
{
	int fd = openat(dirfd, name, flags | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), saved;

	if (fd < 0 || adopt(dirfd, fd))
		return fd;
	saved = errno;
	unlinkat(dirfd, name, 0);
	close(fd);
	errno = saved;
	return -1;
}

/*
 * is_ours: is what was there before a file of this folder? The user of the folder could have put a link there to a file
 * of root, who would write into it here.
 */
static bool is_ours(int dirfd, int fd)
{
	struct stat folder, own;

	return fstat(dirfd, &folder) == 0 && fstat(fd, &own) == 0 && S_ISREG(own.st_mode) && own.st_nlink == 1 &&
	       (own.st_uid == geteuid() || own.st_uid == 0 || (geteuid() == 0 && own.st_uid == folder.st_uid));
}

int file_create(int dirfd, const char *name, int flags, bool temporary)
{
	int fd = make(dirfd, name, flags);

	if (fd >= 0 || errno != EEXIST)
		return fd;
	if (temporary)
		return unlinkat(dirfd, name, 0) == 0 ? make(dirfd, name, flags) : -1;
	fd = openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || is_ours(dirfd, fd))
		return fd;
	close(fd);
	errno = EPERM;
	return -1;
}

int file_create_new(int dirfd, const char *name)
{
	return make(dirfd, name, O_WRONLY);
}

enum err file_lock(int dirfd, const char *name, int *fd)
{
	int lock = file_create(dirfd, name, O_RDWR, false);

	if (lock < 0)
		return ERR_IO;
	if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
		enum err e = errno == EWOULDBLOCK ? ERR_EXISTS : ERR_IO;

		close(lock);
		return e;
	}
	*fd = lock;
	return ERR_OK;
}

enum err file_read(int dirfd, const char *name, size_t max, struct buf *out)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), saved;
	struct stat st;
	enum err e;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	/* A pipe in its place would keep the program waiting for ever. */
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return ERR_IO;
	}
	e = buf_read_fd(out, fd, max);
	saved = errno;
	close(fd);
	errno = saved;
	return e;
}

static void temporary_name(const char *name, char out[FILE_NAME_MAX])
{
	snprintf(out, FILE_NAME_MAX, "%s" FILE_TEMPORARY, name);
}

/* Undoes a failed step. errno of the failure is kept for the message. */
static enum err give_up(int dirfd, const char *temporary, int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	unlinkat(dirfd, temporary, 0);
	errno = saved;
	return ERR_IO;
}

enum err file_prepare(int dirfd, const char *name, struct slice octets, int *fd)
{
	char temporary[FILE_NAME_MAX];
	size_t done = 0;
	int out;

	temporary_name(name, temporary);
	out = file_create(dirfd, temporary, O_WRONLY, true);
	if (out < 0)
		return ERR_IO;
	while (done < octets.n) {
		ssize_t n = write(out, octets.p + done, octets.n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				/* A write of nothing sets no errno; there is no other reason than a full disk. */
				errno = ENOSPC;
			return give_up(dirfd, temporary, out);
		}
		done += (size_t)n;
	}
	*fd = out;
	return ERR_OK;
}

enum err file_settle(int dirfd, const char *name, int fd)
{
	char temporary[FILE_NAME_MAX];

	temporary_name(name, temporary);
	/*
	 * A failed fsync is never tried again: the kernel may have dropped the dirty pages, and a second call would
	 * report success.
	 */
	if (fsync(fd) != 0)
		return give_up(dirfd, temporary, fd);
	if (close(fd) != 0)
		return give_up(dirfd, temporary, -1);
	return ERR_OK;
}

static void old_name(const char *name, char out[FILE_NAME_MAX])
{
	snprintf(out, FILE_NAME_MAX, "%s.old" FILE_TEMPORARY, name);
}

enum err file_show(int dirfd, const char *name, enum file_old *old)
{
	char temporary[FILE_NAME_MAX], kept[FILE_NAME_MAX];

	temporary_name(name, temporary);
	old_name(name, kept);
	unlinkat(dirfd, kept, 0); /* left by a file_shown that failed */
	/* A link, not a rename: name must not be missing for a moment, or a crash there would lose both. */
	if (linkat(dirfd, name, dirfd, kept, 0) == 0)
		*old = FILE_OLD_KEPT;
	else
		*old = errno == ENOENT ? FILE_OLD_NONE : FILE_OLD_UNKNOWN;
	if (renameat(dirfd, temporary, dirfd, name) == 0)
		return ERR_OK;
	file_shown(dirfd, name, *old);
	return give_up(dirfd, temporary, -1);
}

void file_shown(int dirfd, const char *name, enum file_old old)
{
	char kept[FILE_NAME_MAX];
	int saved = errno;

	old_name(name, kept);
	if (old == FILE_OLD_KEPT)
		unlinkat(dirfd, kept, 0);
	errno = saved;
}

void file_hide(int dirfd, const char *name, enum file_old old)
{
	char kept[FILE_NAME_MAX];
	int saved = errno;

	old_name(name, kept);
	/*
	 * If this fails as well, the file is newer than what was acknowledged. A reader of credentials notices by the
	 * generation in it.
	 */
	if (old == FILE_OLD_KEPT && renameat(dirfd, kept, dirfd, name) != 0)
		unlinkat(dirfd, kept, 0);
	else if (old == FILE_OLD_NONE)
		unlinkat(dirfd, name, 0);
	errno = saved;
}

enum err file_sync_dir(int dirfd)
{
	return fsync(dirfd) == 0 ? ERR_OK : ERR_IO;
}

enum err file_replace(int dirfd, const char *name, struct slice octets)
{
	enum file_old old;
	enum err e;
	int fd;

	e = file_prepare(dirfd, name, octets, &fd);
	if (e == ERR_OK)
		e = file_settle(dirfd, name, fd);
	if (e == ERR_OK)
		e = file_show(dirfd, name, &old);
	if (e != ERR_OK)
		return e;
	e = file_sync_dir(dirfd);
	if (e == ERR_OK)
		file_shown(dirfd, name, old);
	else
		file_hide(dirfd, name, old);
	return e;
}

enum err file_each(int dirfd, file_fn fn, void *arg)
{
	/* readdir moves the position of its descriptor, so it gets one of its own. */
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *dir;

	if (copy < 0)
		return ERR_IO;
	dir = fdopendir(copy);
	if (dir == NULL) {
		close(copy);
		return ERR_IO;
	}
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && !fn(arg, entry->d_name))
			break;
	closedir(dir);
	return ERR_OK;
}

static bool remove_one(void *arg, const char *name)
{
	if (slice_ends(slice_str(name), S(FILE_TEMPORARY)))
		unlinkat(*(int *)arg, name, 0);
	return true;
}

void file_remove_temporary(int dirfd)
{
	/* A folder that cannot be listed fails in the next step of the start, with a message. */
	if (file_each(dirfd, remove_one, &dirfd) != ERR_OK)
		return;
}

void file_rename(int dirfd, const char *name, const char *to)
{
	if (renameat(dirfd, name, dirfd, to) != 0)
		return; /* it stays, and is met again at the next start */
}

void file_set_aside(int dirfd, const char *name)
{
	char bad[FILE_NAME_MAX + 8];

	snprintf(bad, sizeof(bad), "%s.bad", name);
	file_rename(dirfd, name, bad);
}
