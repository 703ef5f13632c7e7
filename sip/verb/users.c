#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "crypto/seal.h"
#include "sip/prompt.h"
#include "sip/server/control.h"
#include "sip/server/load.h"
#include "sip/verb/admin.h"
#include "sip/verb/import.h"
#include "sip/verb/verbs.h"
#include "store/user.h"

/*
 * vouch user: the users of the domain. The verbs work on the file of users itself, and tell the server when one is
 * running.
 */

#define PASSWORD_MAX 256 /* octets */
#define LOCK_TRIES 200   /* of 50 ms each: ten seconds */

/* What a verb does to the users in memory. They are saved when it returns EXIT_DONE; otherwise the user was told. */
typedef int (*change_fn)(struct admin *a, struct users *users);

/* --- the file --- */

/*
 * lock_users: takes the lock of the file of users. When two verbs change it at the same time, the second one must read
 * what the first one has written. false: the user was told.
 */
static bool lock_users(const struct admin *a, int dirfd, int *lock)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
	enum err e = ERR_EXISTS;

	for (int i = 0; i < LOCK_TRIES && e == ERR_EXISTS; i++) {
		e = file_lock(dirfd, FILE_LOCK_USERS, lock);
		if (e == ERR_EXISTS)
			nanosleep(&pause, NULL);
	}
	if (e == ERR_EXISTS)
		usage_say(a->usage, 0, "the users are being changed by another \"vouch user\"; try again");
	else if (e != ERR_OK)
		usage_say(a->usage, 0, "the file " FILE_LOCK_USERS " in the store %s cannot be locked: %s",
			  a->config.store, strerror(errno));
	return e == ERR_OK;
}

/*
 * read_users: a damaged file can be listed, but not changed: saving would drop its damaged lines. master: NULL: for a
 * list, which needs no hashes. false: the user was told.
 */
static bool read_users(const struct admin *a, int dirfd, const uint8_t *master, struct users *users)
{
	enum err e = users_load(users, dirfd, master);

	if (e == ERR_OK || e == ERR_NOTFOUND || (e == ERR_SYNTAX && master == NULL))
		return true;
	if (e == ERR_CRYPTO)
		usage_say(a->usage, 0, "the master key %s does not belong to this store; put the right one back",
			  a->config.master_key);
	else if (e == ERR_SYNTAX)
		usage_say(a->usage, 0,
			  "the file users in the store has damaged lines; restore it, or delete these lines and add "
			  "their users again");
	else
		usage_say(a->usage, 0, "the users cannot be read: %s", strerror(errno));
	return false;
}

/* save_users: the file first, then the server, which reads it again. No running server is no error. */
static int save_users(const struct admin *a, int dirfd, const uint8_t *master, const struct users *users)
{
	struct buf answer = {0};
	bool running;
	int code = EXIT_DONE;

	if (users_save(users, dirfd, master) != ERR_OK)
		code = usage_say(a->usage, EXIT_LOCAL, "the users cannot be written: %s", strerror(errno));
	else if (!control_ask(&a->config, "users", &answer, &running) && running)
		code = usage_say(a->usage, EXIT_REFUSED, "stored, but the running server said: %.*s",
				 SLICE_ARG(slice_trim(buf_slice(&answer))));
	buf_free(&answer);
	return code;
}

/* under_lock: reads the users, changes them, and saves them; the lock is held. */
static int under_lock(struct admin *a, int dirfd, change_fn fn)
{
	uint8_t master[SEAL_KEY];
	struct buf why = {0};
	struct users *users;
	int code = EXIT_LOCAL;

	if (!load_master(&a->config, master, &why)) {
		usage_say(a->usage, 0, "%s", why.p);
		buf_free(&why);
		return EXIT_LOCAL;
	}
	users = users_new(slice_str(config_credential_realm(&a->config)));
	if (read_users(a, dirfd, master, users))
		code = fn(a, users);
	if (code == EXIT_DONE)
		code = save_users(a, dirfd, master, users);
	mem_wipe(master, sizeof(master));
	users_free(users);
	return code;
}

/* change_users: what all verbs that change users do around fn. */
static int change_users(const struct usage *u, int argc, char **argv, change_fn fn)
{
	struct buf why = {0};
	struct admin a;
	int code, dirfd, lock;

	if (!admin_begin(&a, u, argc, argv, &code))
		return code;
	code = EXIT_LOCAL;
	if (!load_store(&a.config, true, &dirfd, &why)) {
		usage_say(u, 0, "%s", why.p);
	} else {
		if (!load_belongs(&a.config, dirfd, true, &why) || load_lost(dirfd, &why)) {
			code = usage_say(u, EXIT_REFUSED, "%s", why.p);
		} else if (lock_users(&a, dirfd, &lock)) {
			code = under_lock(&a, dirfd, fn);
			close(lock);
		}
		close(dirfd);
	}
	buf_free(&why);
	config_free(&a.config);
	return code;
}

/* --- the changes --- */

/* Only the hashes are stored (RFC 7616 3.4.2), for both algorithms and both realms. */
static void set_password(struct users *users, const struct config *c, struct slice aor, struct slice password)
{
	struct slice name = slice_sub(aor, sizeof("sip:") - 1, slice_rchr(aor, '@'));
	struct ha1 h;

	ha1_make(name, slice_str(c->domain), slice_str(config_credential_realm(c)), password, &h);
	users_set(users, aor, &h);
	mem_wipe(&h, sizeof(h));
}

/* read_aor: the word as an AOR. false: *code is the exit code, and the user was told. */
static bool read_aor(const struct admin *a, struct buf *aor, int *code)
{
	if (admin_aor(&a->config, slice_str(a->words[0]), aor))
		return true;
	*code = usage_say(a->usage, EXIT_USAGE, "%s is no address of the domain %s; expected sip:name@%s", a->words[0],
			  a->config.domain, a->config.domain);
	return false;
}

/* take_password: asks for the password of aor, and stores its hashes. */
static int take_password(struct admin *a, struct users *users, const struct buf *aor)
{
	char password[PASSWORD_MAX];
	int code = EXIT_DONE;

	if (prompt_secret("Password: ", password, sizeof(password)))
		set_password(users, &a->config, buf_slice(aor), slice_str(password));
	else
		code = usage_say(a->usage, EXIT_LOCAL, "no password came on standard input");
	mem_wipe(password, sizeof(password));
	return code;
}

static int add(struct admin *a, struct users *users)
{
	struct buf aor = {0};
	int code;

	if (read_aor(a, &aor, &code)) {
		if (users_find(users, buf_slice(&aor)) != NULL)
			code = usage_say(a->usage, EXIT_REFUSED,
					 "%s is there already; \"vouch user passwd\" changes its password", aor.p);
		else
			code = take_password(a, users, &aor);
	}
	buf_free(&aor);
	return code;
}

static int no_user(const struct admin *a, const struct buf *aor)
{
	return usage_say(a->usage, EXIT_REFUSED, "there is no user %s", aor->p);
}

static int passwd(struct admin *a, struct users *users)
{
	struct buf aor = {0};
	int code;

	if (read_aor(a, &aor, &code)) {
		if (users_find(users, buf_slice(&aor)) == NULL)
			code = no_user(a, &aor);
		else
			code = take_password(a, users, &aor);
	}
	buf_free(&aor);
	return code;
}

static int del(struct admin *a, struct users *users)
{
	struct buf aor = {0};
	int code;

	if (read_aor(a, &aor, &code))
		code = users_remove(users, buf_slice(&aor)) ? EXIT_DONE : no_user(a, &aor);
	buf_free(&aor);
	return code;
}

static int import(struct admin *a, struct users *users)
{
	struct buf why = {0};
	int code = import_file(users, &a->config, a->words[0], &why);

	if (code != EXIT_DONE)
		usage_say(a->usage, 0, "%s", why.p);
	buf_free(&why);
	return code;
}

/* --- the verbs --- */

static int run_add(const struct usage *u, int argc, char **argv)
{
	return change_users(u, argc, argv, add);
}

static int run_passwd(const struct usage *u, int argc, char **argv)
{
	return change_users(u, argc, argv, passwd);
}

static int run_del(const struct usage *u, int argc, char **argv)
{
	return change_users(u, argc, argv, del);
}

static int run_import(const struct usage *u, int argc, char **argv)
{
	return change_users(u, argc, argv, import);
}

/* One AOR a line, for scripts. */
static void print_user(void *arg, const struct user *user)
{
	(void)arg;
	puts(user->aor);
}

static int run_list(const struct usage *u, int argc, char **argv)
{
	struct buf why = {0};
	struct users *users;
	struct admin a;
	int code, dirfd;

	if (!admin_begin(&a, u, argc, argv, &code))
		return code;
	code = EXIT_LOCAL;
	if (!load_store(&a.config, true, &dirfd, &why)) {
		usage_say(u, 0, "%s", why.p);
	} else {
		users = users_new(slice_str(config_credential_realm(&a.config)));
		if (read_users(&a, dirfd, NULL, users)) {
			users_each(users, print_user, NULL);
			code = EXIT_DONE;
		}
		users_free(users);
		close(dirfd);
	}
	buf_free(&why);
	config_free(&a.config);
	return code;
}

static const struct usage_option file_option[] = {ADMIN_FILE, {0}};

const struct usage verb_user_add = {
	.verb = "user add",
	.purpose = "make a user; the password comes from a prompt or a pipe",
	.run = run_add,
	.options = file_option,
	.words = {"AOR"},
	.example = "vouch user add sip:alice@example.com -c site/vouch.conf",
};

const struct usage verb_user_passwd = {
	.verb = "user passwd",
	.purpose = "give a user another password",
	.run = run_passwd,
	.options = file_option,
	.words = {"AOR"},
	.example = "vouch user passwd sip:alice@example.com -c site/vouch.conf",
};

const struct usage verb_user_del = {
	.verb = "user del",
	.purpose = "remove a user with all that is stored of them",
	.run = run_del,
	.options = file_option,
	.words = {"AOR"},
	.example = "vouch user del sip:alice@example.com -c site/vouch.conf",
};

const struct usage verb_user_list = {
	.verb = "user list",
	.purpose = "print the address of each user",
	.run = run_list,
	.options = file_option,
	.example = "vouch user list -c site/vouch.conf",
};

const struct usage verb_user_import = {
	.verb = "user import",
	.purpose = "add or change users from lines \"AOR,password\"",
	.run = run_import,
	.options = file_option,
	.words = {"CSV"},
	.example = "vouch user import users.csv -c site/vouch.conf",
};
