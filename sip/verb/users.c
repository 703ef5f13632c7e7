#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "crypto/seal.h"
#include "sip/prompt.h"
#include "sip/report.h"
#include "sip/server/control.h"
#include "sip/server/load.h"
#include "sip/verb/account_file.h"
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

/*
 * What a verb does to the users in memory. They are saved when it returns EXIT_DONE, and said is told then; otherwise
 * the user was told.
 */
typedef int (*change_fn)(struct admin *a, struct users *users, struct buf *said);

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

	if (users_save(users, dirfd, master) != ERR_OK) {
		code = usage_say(a->usage, EXIT_LOCAL, "the users cannot be written: %s", strerror(errno));
		if (a->account_made)
			unlink(a->account);
	} else if (!control_ask(&a->config, "users", &answer, &running) && running) {
		code = usage_say(a->usage, EXIT_REFUSED, "stored, but the running server said: %.*s",
				 SLICE_ARG(slice_trim(buf_slice(&answer))));
	}
	buf_free(&answer);
	return code;
}

/* change: reads the users and changes them. save: and stores them; then the lock is held. */
static int change(struct admin *a, int dirfd, change_fn fn, bool save)
{
	uint8_t master[SEAL_KEY];
	struct buf why = {0}, said = {0};
	struct users *users;
	int code = EXIT_LOCAL;

	if (!load_master(&a->config, master, &why)) {
		usage_say(a->usage, 0, "%s", why.p);
		buf_free(&why);
		return EXIT_LOCAL;
	}
	users = users_new(slice_str(config_credential_realm(&a->config)));
	if (read_users(a, dirfd, master, users))
		code = fn(a, users, &said);
	if (code == EXIT_DONE && save)
		code = save_users(a, dirfd, master, users);
	if (code == EXIT_DONE && save) {
		buf_addf(&said, "; %zu user%s", users_count(users), users_count(users) == 1 ? "" : "s");
		admin_say(a, buf_slice(&said));
	}
	mem_wipe(master, sizeof(master));
	buf_free(&said);
	users_free(users);
	return code;
}

/*
 * locked_change: changes and stores the users. What fn asks a person for it is asked in a rehearsal, without the lock:
 * who sits at a prompt must not keep others from their changes. asks: it does so.
 */
static int locked_change(struct admin *a, int dirfd, change_fn fn, bool asks)
{
	int code = asks ? change(a, dirfd, fn, false) : EXIT_DONE, lock;

	if (code != EXIT_DONE)
		return code;
	if (!lock_users(a, dirfd, &lock))
		return EXIT_LOCAL;
	code = change(a, dirfd, fn, true);
	close(lock);
	return code;
}

/* change_users: what all verbs that change users do around fn. asks: for a password, unless it makes an account file.
 */
static int change_users(const struct usage *u, int argc, char **argv, change_fn fn, bool asks)
{
	struct buf why = {0};
	struct admin a;
	int code, dirfd;

	if (!admin_begin(&a, u, argc, argv, &code))
		return code;
	code = EXIT_LOCAL;
	if (!load_store(&a.config, false, &dirfd, &why)) {
		usage_say(u, 0, "%s", why.p);
	} else {
		if (!load_belongs(&a.config, dirfd, true, &why) || load_lost(dirfd, &why))
			code = usage_say(u, EXIT_REFUSED, "%s", why.p);
		else
			code = locked_change(&a, dirfd, fn, asks && a.account == NULL);
		close(dirfd);
	}
	buf_wipe(&a.password);
	buf_free(&why);
	config_free(&a.config);
	return code;
}

/* --- the changes --- */

static void set_password(struct users *users, const struct config *c, struct slice aor, struct slice password)
{
	struct ha1 h;

	admin_ha1(c, aor, password, &h);
	users_set(users, aor, &h);
	mem_wipe(&h, sizeof(h));
}

/* read_aor: the word as an AOR. false: *code is the exit code, and the user was told. */
static bool read_aor(const struct admin *a, struct buf *aor, int *code)
{
	if (admin_aor(&a->config, slice_str(a->words[0]), aor))
		return true;
	*code = usage_say(a->usage, EXIT_USAGE, "%s is no address of the domain %s; expected name or sip:name@%s",
			  a->words[0], a->config.domain, a->config.domain);
	return false;
}

/* take_password: asks for the password of aor, once, and stores its hashes. */
static int take_password(struct admin *a, struct users *users, const struct buf *aor)
{
	char password[PASSWORD_MAX];
	const char *why = NULL;

	if (a->password.n == 0) {
		if (prompt_new("Password: ", password, sizeof(password), &why))
			buf_adds(&a->password, password);
		mem_wipe(password, sizeof(password));
	}
	if (a->password.n == 0)
		return usage_say(a->usage, EXIT_LOCAL, "%s", why);
	set_password(users, &a->config, buf_slice(aor), buf_slice(&a->password));
	return EXIT_DONE;
}

/*
 * make_account: a random password, which only the account file has. The file comes first, because without it nobody
 * knows the password; save_users takes it away again when the user cannot be stored.
 */
static int make_account(struct admin *a, struct users *users, const struct buf *aor)
{
	struct buf password = {0}, why = {0};
	int code = EXIT_DONE;

	account_file_password(&password);
	a->account_made = account_file_make(&a->config, a->account, aor->p, buf_slice(&password), &why);
	if (a->account_made)
		set_password(users, &a->config, buf_slice(aor), buf_slice(&password));
	else
		code = usage_say(a->usage, EXIT_LOCAL, "%s", why.p);
	buf_wipe(&password);
	buf_free(&why);
	return code;
}

static int add(struct admin *a, struct users *users, struct buf *said)
{
	struct buf aor = {0};
	int code;

	if (read_aor(a, &aor, &code)) {
		if (users_find(users, buf_slice(&aor)) != NULL)
			code = usage_say(a->usage, EXIT_REFUSED,
					 "%s is there already; \"vouch user passwd\" changes its password", aor.p);
		else
			code = a->account != NULL ? make_account(a, users, &aor) : take_password(a, users, &aor);
		buf_addf(said, "%s is a user now", aor.p);
		if (a->account != NULL)
			buf_addf(said, ", whose password is in %s", a->account);
	}
	buf_free(&aor);
	return code;
}

static int no_user(const struct admin *a, const struct buf *aor)
{
	return usage_say(a->usage, EXIT_REFUSED, "there is no user %s; \"vouch user list\" names them all", aor->p);
}

static int passwd(struct admin *a, struct users *users, struct buf *said)
{
	struct buf aor = {0};
	int code;

	if (read_aor(a, &aor, &code)) {
		if (users_find(users, buf_slice(&aor)) == NULL)
			code = no_user(a, &aor);
		else
			code = take_password(a, users, &aor);
		buf_addf(said, "%s has another password now", aor.p);
	}
	buf_free(&aor);
	return code;
}

static int del(struct admin *a, struct users *users, struct buf *said)
{
	struct buf aor = {0};
	int code;

	if (read_aor(a, &aor, &code)) {
		code = users_remove(users, buf_slice(&aor)) ? EXIT_DONE : no_user(a, &aor);
		buf_addf(said, "%s is no user any more", aor.p);
	}
	buf_free(&aor);
	return code;
}

static int import(struct admin *a, struct users *users, struct buf *said)
{
	struct import_count n = {0};
	struct buf why = {0};
	int code = import_file(users, &a->config, a->words[0], &n, &why);

	if (code != EXIT_DONE)
		usage_say(a->usage, 0, "%s", why.p);
	buf_addf(said, "%s: %u new, %u with another password, %u as before", a->words[0], n.added, n.changed, n.same);
	buf_free(&why);
	return code;
}

/* --- the verbs --- */

static int run_add(const struct usage *u, int argc, char **argv)
{
	return change_users(u, argc, argv, add, true);
}

static int run_passwd(const struct usage *u, int argc, char **argv)
{
	return change_users(u, argc, argv, passwd, true);
}

static int run_del(const struct usage *u, int argc, char **argv)
{
	return change_users(u, argc, argv, del, false);
}

static int run_import(const struct usage *u, int argc, char **argv)
{
	return change_users(u, argc, argv, import, false);
}

/* A list that is printed. */
struct listing {
	struct buf out;
	bool json;
};

/* One AOR a line, for scripts. */
static void list_user(void *arg, const struct user *user)
{
	struct listing *l = arg;

	if (!l->json) {
		buf_addf(&l->out, "%s\n", user->aor);
		return;
	}
	buf_adds(&l->out, l->out.n > 0 ? ",{\"aor\":" : "{\"users\":[{\"aor\":");
	report_json(&l->out, slice_str(user->aor));
	buf_addc(&l->out, '}');
}

static void print_list(const struct users *users, bool json)
{
	struct listing l = {.json = json};

	users_each(users, list_user, &l);
	if (json)
		buf_adds(&l.out, l.out.n > 0 ? "]}\n" : "{\"users\":[]}\n");
	usage_print(buf_slice(&l.out));
	buf_free(&l.out);
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
	if (!load_store(&a.config, false, &dirfd, &why)) {
		usage_say(u, 0, "%s", why.p);
	} else {
		users = users_new(slice_str(config_credential_realm(&a.config)));
		if (read_users(&a, dirfd, NULL, users)) {
			print_list(users, a.json);
			code = EXIT_DONE;
		}
		users_free(users);
		close(dirfd);
	}
	buf_free(&why);
	config_free(&a.config);
	return code;
}

static const struct usage_option plain_options[] = {ADMIN_FILE, ADMIN_JSON, {0}};
static const struct usage_option add_options[] = {ADMIN_FILE,
						  {'\0', "account", USAGE_TEXT, false, "NEW",
						   "write an account file with a random password",
						   offsetof(struct admin, account)},
						  ADMIN_JSON,
						  {0}};

const struct usage verb_user_add = {
	.verb = "user add",
	.purpose = "make a user; the password comes from a prompt or a pipe",
	.run = run_add,
	.options = add_options,
	.words = {"AOR"},
	.example = "vouch user add alice -c site/vouch.conf",
};

const struct usage verb_user_passwd = {
	.verb = "user passwd",
	.purpose = "give a user another password",
	.run = run_passwd,
	.options = plain_options,
	.words = {"AOR"},
	.example = "vouch user passwd alice -c site/vouch.conf",
};

const struct usage verb_user_del = {
	.verb = "user del",
	.purpose = "remove a user with all that is stored of them",
	.run = run_del,
	.options = plain_options,
	.words = {"AOR"},
	.example = "vouch user del alice -c site/vouch.conf",
};

const struct usage verb_user_list = {
	.verb = "user list",
	.purpose = "print the address of each user",
	.run = run_list,
	.options = plain_options,
	.example = "vouch user list -c site/vouch.conf",
};

const struct usage verb_user_import = {
	.verb = "user import",
	.purpose = "add or change users from lines \"AOR,password\"",
	.run = run_import,
	.options = plain_options,
	.words = {"CSV"},
	.example = "vouch user import users.csv -c site/vouch.conf",
};
