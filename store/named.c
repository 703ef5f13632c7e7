#include "store/named.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/file.h"

/* Files that people name. Every failure ends in one sentence for them, with the name of the file and what to do. */

void named_beside(const char *file, const char *value, struct buf *out)
{
	struct slice name = slice_str(file);
	size_t slash = slice_rchr(name, '/');

	if (value[0] != '/' && slash < name.n)
		buf_add(out, slice_sub(name, 0, slash + 1));
	buf_adds(out, value);
}

static int open_folder(const char *path, const char **name);

/*
 * is_trusted: does the file belong to whoever reads it, or to root? Root also takes that of the user whose folder it is
 * in: for verbs that he runs there for that user. folder: of it, if it can be opened.
 */
static bool is_trusted(const char *path, const struct stat *st, struct stat *folder, bool *has_folder)
{
	const char *name;
	int fd = open_folder(path, &name);

	*has_folder = fd >= 0 && fstat(fd, folder) == 0;
	if (fd >= 0)
		close(fd);
	return st->st_uid == geteuid() || st->st_uid == 0 ||
	       (geteuid() == 0 && *has_folder && folder->st_uid == st->st_uid);
}

/* is_private: may nobody else read a secret file, or put another in its place? */
static bool is_private(const char *path, const struct stat *st, struct buf *why)
{
	struct stat folder;
	bool has_folder, own;

	if ((st->st_mode & 077) != 0) {
		buf_addf(why, "%s holds a secret but others may read it (mode %04o): make it 0600 with chmod", path,
			 st->st_mode & 07777);
		return false;
	}
	own = is_trusted(path, st, &folder, &has_folder);
	if (!own)
		buf_addf(why, "%s holds a secret but belongs to user %u: give it to user %u with chown", path,
			 (unsigned)st->st_uid, (unsigned)geteuid());
	return own;
}

bool named_read(const char *path, bool secret, size_t max, struct buf *out, struct buf *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	enum err e;

	if (fd < 0 || fstat(fd, &st) != 0) {
		buf_addf(why, "%s cannot be read: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	/* The checks are on the descriptor: the path could lead elsewhere a moment later. */
	if (secret && !is_private(path, &st, why)) {
		close(fd);
		return false;
	}
	e = buf_read_fd(out, fd, max);
	if (e == ERR_LIMIT)
		buf_addf(why, "%s is larger than %zu octets", path, max);
	else if (e != ERR_OK)
		buf_addf(why, "%s cannot be read: %s", path, strerror(errno));
	close(fd);
	if (e != ERR_OK)
		buf_wipe(out); /* a part of a secret is a secret as well */
	return e == ERR_OK;
}

bool named_guarded(const char *path, struct buf *why)
{
	struct stat st, folder;
	bool has_folder, trusted;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return true;
	trusted = is_trusted(path, &st, &folder, &has_folder);
	if ((st.st_mode & 022) != 0)
		buf_addf(why, "%s can be changed by others (mode %04o): take that from them with \"chmod go-w %s\"",
			 path, st.st_mode & 07777, path);
	else if (!trusted)
		buf_addf(why, "%s belongs to user %u, who can change it: give it to user %u with chown", path,
			 (unsigned)st.st_uid, (unsigned)geteuid());
	/* In a folder like /tmp (sticky) only the owner of a file can put another in its place. */
	else if (has_folder && (folder.st_mode & S_IWOTH) != 0 && (folder.st_mode & S_ISVTX) == 0)
		buf_addf(why, "%s lies in a folder in which everybody can put another in its place (mode %04o)", path,
			 folder.st_mode & 07777);
	else
		return true;
	return false;
}

/* is_mine: false when path exists and is a device (/dev/null), a pipe, a folder or a link. */
static bool is_mine(const char *path, struct buf *why)
{
	struct stat st;

	if (lstat(path, &st) != 0 || S_ISREG(st.st_mode))
		return true; /* other errors are reported by the next step */
	buf_addf(why, "%s is no regular file and stays as it is; name another file", path);
	return false;
}

/* Opens the folder of path; *name is the rest of path. */
static int open_folder(const char *path, const char **name)
{
	struct slice text = slice_str(path);
	size_t slash = slice_rchr(text, '/');
	struct buf folder = {0};
	int fd;

	*name = slash < text.n ? path + slash + 1 : path;
	buf_add(&folder, slash < text.n ? slice_sub(text, 0, slash + 1) : S("."));
	fd = open(folder.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buf_free(&folder);
	return fd;
}

bool named_replace(const char *path, struct slice octets, struct buf *why)
{
	const char *name;
	enum err e = ERR_IO;
	int folder;

	if (!is_mine(path, why))
		return false;
	folder = open_folder(path, &name);
	if (folder >= 0 && strlen(name) >= FILE_NAME_MAX - sizeof(FILE_TEMPORARY))
		errno = ENAMETOOLONG;
	else if (folder >= 0)
		e = file_replace(folder, name, octets);
	if (e != ERR_OK)
		buf_addf(why, "%s cannot be written: %s", path, strerror(errno));
	if (folder >= 0)
		close(folder);
	return e == ERR_OK;
}

/* write_all: all octets, and to the disk. */
static bool write_all(int fd, struct slice octets)
{
	while (octets.n > 0) {
		ssize_t n = write(fd, octets.p, octets.n);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			octets = slice_sub(octets, (size_t)n, octets.n);
	}
	return fsync(fd) == 0;
}

bool named_create(const char *path, struct slice octets, struct buf *why)
{
	const char *name;
	int folder = open_folder(path, &name), fd = -1, cause = errno;
	bool ok = false;

	if (folder >= 0 && (fd = file_create_new(folder, name)) >= 0) {
		ok = write_all(fd, octets) && fsync(folder) == 0;
		cause = errno;
		if (!ok)
			unlinkat(folder, name, 0);
		close(fd);
	} else if (folder >= 0) {
		cause = errno;
	}
	if (folder >= 0)
		close(folder);
	if (!ok && cause == EEXIST)
		buf_addf(why, "%s is there already and stays as it is; name another file", path);
	else if (!ok)
		buf_addf(why, "%s cannot be written: %s", path, strerror(cause));
	return ok;
}

bool named_remove(const char *path, bool *gone, struct buf *why)
{
	*gone = false;
	if (!is_mine(path, why))
		return false;
	*gone = unlink(path) == 0;
	if (!*gone && errno != ENOENT) {
		buf_addf(why, "%s cannot be removed: %s", path, strerror(errno));
		return false;
	}
	return true;
}
