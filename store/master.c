#include "store/master.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/mem.h"
#include "crypto/hash.h"
#include "store/credential.h"
#include "store/user.h"

#define CHECK_MAX 256

/* The text of the file; nobody learns the key from it. */
static void check_text(const uint8_t master[SEAL_KEY], struct buf *out)
{
	struct slice label = S("check of the master key");
	uint8_t mac[HASH_MAX];

	hmac_parts(HASH_SHA256, slice_of(master, SEAL_KEY), &label, 1, mac);
	for (unsigned i = 0; i < 32; i++)
		buf_addf(out, "%02x", mac[i]);
	buf_addc(out, '\n');
}

static bool is_record(const char *name)
{
	return slice_ends(slice_str(name), S(CREDENTIAL_SUFFIX));
}

/* What the records say that are there. */
struct records {
	int dirfd;
	const uint8_t *master;
	unsigned fit, other;
};

static bool look_at(void *arg, const char *name)
{
	struct records *r = arg;

	if (!is_record(name))
		return true;
	switch (credential_record_belongs(r->dirfd, name, r->master)) {
	case ERR_OK:
		r->fit++;
		return false;
	case ERR_CRYPTO:
		r->other++;
		return true;
	default: /* damaged */
		return true;
	}
}

/* is_foreign: does what the store has, as far as it is sealed, speak against the key? With nothing sealed any key fits.
 */
static enum err is_foreign(int dirfd, const uint8_t master[SEAL_KEY], bool *foreign)
{
	struct records r = {.dirfd = dirfd, .master = master};
	struct users *users = users_new(SLICE_NONE);

	*foreign = users_load(users, dirfd, master) == ERR_CRYPTO;
	users_free(users);
	if (*foreign)
		return ERR_OK;
	if (file_each(dirfd, look_at, &r) != ERR_OK)
		return ERR_IO;
	*foreign = r.fit == 0 && r.other > 0;
	return ERR_OK;
}

enum err master_check(int dirfd, const uint8_t master[SEAL_KEY], bool write)
{
	struct buf expected = {0}, found = {0};
	bool foreign = false;
	enum err e = file_read(dirfd, MASTER_CHECK, CHECK_MAX, &found);

	check_text(master, &expected);
	if (e == ERR_OK && !slice_eq(buf_slice(&found), buf_slice(&expected)))
		e = ERR_CRYPTO;
	else if (e == ERR_NOTFOUND)
		e = is_foreign(dirfd, master, &foreign) != ERR_OK ? ERR_IO
		    : foreign                                     ? ERR_CRYPTO
		    : write ? file_replace(dirfd, MASTER_CHECK, buf_slice(&expected))
			    : ERR_OK;
	buf_free(&expected);
	buf_free(&found);
	return e;
}

static bool look_for_record(void *arg, const char *name)
{
	bool *found = arg;

	*found = is_record(name);
	return !*found;
}

bool master_has_records(int dirfd)
{
	struct stat bindings;
	bool found = false;

	if (file_each(dirfd, look_for_record, &found) != ERR_OK || found)
		return true;
	return fstatat(dirfd, "bindings", &bindings, AT_SYMLINK_NOFOLLOW) == 0 && bindings.st_size > 0;
}
