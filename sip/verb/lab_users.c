#include "sip/verb/lab_users.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/ini.h"
#include "core/mem.h"
#include "crypto/seal.h"
#include "sip/server/load.h"
#include "sip/verb/account_file.h"
#include "sip/verb/admin.h"
#include "store/file.h"
#include "store/user.h"

#define ACCOUNT_MAX 16384 /* octets of an account file */

static const char *const names[] = {"alice", "bob", "carol"};

#define NAMES (sizeof(names) / sizeof(names[0]))

static bool fail(struct buf *why, const char *what)
{
	buf_addf(why, "%s cannot be written: %s", what, strerror(errno));
	return false;
}

/* --- a new lab --- */

/* make_one: the server line is that of the default port; lab_users_accounts corrects it. */
static bool make_one(int dirfd, struct users *users, const char *name, const char *domain, struct slice realm,
		     const char *password, struct buf *why)
{
	struct buf secret = {0}, text = {0}, aor = {0}, file = {0};
	struct ha1 h;
	bool ok;

	if (password != NULL)
		buf_adds(&secret, password);
	else
		account_file_password(&secret);
	buf_addf(&aor, "sip:%s@%s", name, domain);
	buf_addf(&file, "%s.account", name);
	account_file_text(&text, aor.p, buf_slice(&secret), S("tls:127.0.0.1:5061"), S("ca.crt"));
	ha1_make(slice_str(name), slice_str(domain), realm, buf_slice(&secret), &h);
	users_set(users, buf_slice(&aor), &h);
	mem_wipe(&h, sizeof(h));
	ok = file_replace(dirfd, file.p, buf_slice(&text)) == ERR_OK || fail(why, file.p);
	buf_wipe(&secret);
	buf_wipe(&text);
	buf_free(&aor);
	buf_free(&file);
	return ok;
}

bool lab_users_make(int dirfd, const char *domain, struct slice credential_realm, const uint8_t *master,
		    const char *password, struct buf *why)
{
	struct users *users = users_new(credential_realm);
	int store = openat(dirfd, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = store >= 0 || fail(why, "store");

	for (size_t i = 0; ok && i < NAMES; i++)
		ok = make_one(dirfd, users, names[i], domain, credential_realm, password, why);
	if (ok && users_save(users, store, master) != ERR_OK)
		ok = fail(why, "store/" USER_FILE);
	if (store >= 0)
		close(store);
	users_free(users);
	return ok;
}

/* --- a lab that is there --- */

/* give: the password, to those of the three who are there and have another one. Returns whether there were any. */
static bool give(struct users *users, const struct config *c, const char *password)
{
	bool changed = false;

	for (size_t i = 0; i < NAMES; i++) {
		struct buf aor = {0};
		const struct user *user;
		struct ha1 h;

		buf_addf(&aor, "sip:%s@%s", names[i], c->domain);
		user = users_find(users, buf_slice(&aor));
		if (user != NULL) {
			admin_ha1(c, buf_slice(&aor), slice_str(password), &h);
			if (!user_has_ha1(user, &h)) {
				users_set(users, buf_slice(&aor), &h);
				changed = true;
			}
			mem_wipe(&h, sizeof(h));
		}
		buf_free(&aor);
	}
	return changed;
}

bool lab_users_password(const struct config *c, int dirfd, const char *password, struct buf *why)
{
	struct users *users = users_new(slice_str(config_credential_realm(c)));
	uint8_t master[SEAL_KEY];
	int lock = -1;
	bool ok = load_master(c, master, why);

	if (ok && (file_lock(dirfd, FILE_LOCK_USERS, &lock) != ERR_OK || users_load(users, dirfd, master) != ERR_OK)) {
		buf_addf(why, "the users of %s cannot be given another password now; see \"vouch check -c %s\"",
			 c->file, c->file);
		ok = false;
	}
	if (ok && give(users, c, password) && users_save(users, dirfd, master) != ERR_OK)
		ok = fail(why, USER_FILE);
	if (lock >= 0)
		close(lock);
	mem_wipe(master, sizeof(master));
	users_free(users);
	return ok;
}

/* --- account files --- */

/* An account file that is written anew. */
struct copying {
	struct buf out;
	const char *domain, *server, *password;
	bool ours;  /* aor is of the domain */
	bool three; /* aor is one of the three */
};

static bool is_three(struct slice user)
{
	for (size_t i = 0; i < NAMES; i++)
		if (slice_eq(user, slice_str(names[i])))
			return true;
	return false;
}

/* read_aor: whose account file is it? */
static bool read_aor(void *arg, struct slice section, struct slice key, struct slice value, unsigned line)
{
	struct copying *c = arg;
	struct slice user, domain;

	(void)section;
	(void)line;
	if (slice_eq(key, S("aor")) && slice_starts(value, S("sip:")) &&
	    slice_cut(slice_sub(value, 4, value.n), '@', &user, &domain)) {
		c->ours = slice_eq(domain, slice_str(c->domain));
		c->three = c->ours && is_three(user);
	}
	return true;
}

/* copy_line: copies each line, with another server, and the password if there is one. */
static bool copy_line(void *arg, struct slice section, struct slice key, struct slice value, unsigned line)
{
	struct copying *c = arg;

	(void)section;
	(void)line;
	if (slice_eq(key, S("server")))
		value = slice_str(c->server);
	else if (slice_eq(key, S("password")) && c->password != NULL && c->three)
		value = slice_str(c->password);
	buf_addf(&c->out, "%.*s = %.*s\n", SLICE_ARG(key), SLICE_ARG(value));
	return true;
}

struct accounts {
	struct copying common;
	struct buf *why;
	int dirfd;
	bool ok;
};

static bool write_one(void *arg, const char *name)
{
	struct accounts *a = arg;
	struct copying c = a->common;
	struct buf text = {0};
	unsigned line;
	const char *expected;

	if (slice_ends(slice_str(name), S(".account")) && file_read(a->dirfd, name, ACCOUNT_MAX, &text) == ERR_OK &&
	    ini_parse(buf_slice(&text), read_aor, &c, &line, &expected) == ERR_OK && c.ours &&
	    ini_parse(buf_slice(&text), copy_line, &c, &line, &expected) == ERR_OK &&
	    !slice_eq(buf_slice(&c.out), buf_slice(&text)) && file_replace(a->dirfd, name, buf_slice(&c.out)) != ERR_OK)
		a->ok = fail(a->why, name);
	buf_wipe(&text);
	buf_wipe(&c.out);
	return a->ok;
}

bool lab_users_accounts(const char *dir, const char *domain, const char *server, const char *password, struct buf *why)
{
	struct accounts a = {
		.common = {.domain = domain, .server = server, .password = password}, .why = why, .ok = true};

	if (file_open_dir(dir, false, &a.dirfd, why) != ERR_OK)
		return false;
	if (file_each(a.dirfd, write_one, &a) != ERR_OK && a.ok)
		a.ok = fail(why, dir);
	close(a.dirfd);
	return a.ok;
}
