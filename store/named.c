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

bool named_read(const char *path, bool secret, size_t max, struct buf *out, struct buf *why)
{
	struct stat st;
	enum err e;

	if (stat(path, &st) != 0) {
		buf_addf(why, "%s cannot be read: %s", path, strerror(errno));
		return false;
	}
	if (secret && (st.st_mode & 077) != 0) {
		buf_addf(why, "%s holds a secret but others may read it (mode %04o): make it 0600 with chmod", path,
			 st.st_mode & 07777);
		return false;
	}
	e = buf_read_file(out, path, max);
	if (e == ERR_LIMIT)
		buf_addf(why, "%s is larger than %zu octets", path, max);
	else if (e != ERR_OK)
		buf_addf(why, "%s cannot be read: %s", path, strerror(errno));
	if (e != ERR_OK)
		buf_wipe(out); /* a part of a secret is a secret as well */
	return e == ERR_OK;
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
