#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "crypto/seal.h"
#include "sip/server/control.h"
#include "sip/server/load.h"
#include "sip/message/uri.h"
#include "sip/prompt.h"
#include "sip/verb/say.h"
#include "sip/verb/verbs.h"
#include "store/named.h"
#include "store/user.h"

/*
 * The verbs of an administrator: check, user, status, revoke, reload. They read the configuration for the place of the
 * store and of the control socket. user works on the file of users itself, and tells the server when one is running.
 */

#define PASSWORD_MAX 256    /* octets */
#define CSV_MAX (64u << 20) /* octets of a file to import */
#define LOCK_TRIES 200      /* of 50 ms each: ten seconds */

/* The command line of a verb, and its configuration. */
struct admin {
	struct config config;
	const char *file;
	bool json, dump;
	const char *words[4];
	int count;
};

/*
 * begin: reads the command line, with min to max words between the options, and loads the configuration. false: *code
 * is the exit code, and the user was told.
 */
static bool begin(const char *verb, const char *usage, int argc, char **argv, int min, int max, struct admin *a,
		  int *code)
{
	static const struct option names[] = {
		{"json", no_argument, NULL, 'j'}, {"dump", no_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
	struct buf why = {0};
	bool bad = false;
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "c:", names, NULL)) != -1) {
		if (c == 'c')
			a->file = optarg;
		else if (c == 'j')
			a->json = true;
		else if (c == 'd')
			a->dump = true;
		else
			bad = true;
	}
	for (; optind < argc && a->count < 4; optind++)
		a->words[a->count++] = argv[optind];
	if (bad || a->file == NULL || a->count < min || a->count > max) {
		*code = verb_say(verb, 2, "usage: %s", usage);
		return false;
	}
	if (!config_load(a->file, NULL, &a->config, &why)) {
		*code = verb_say(verb, 1, "%s", why.p);
		buf_free(&why);
		return false;
	}
	return true;
}

/* config_dump comes first, because load_check takes the configuration. */
int verb_check(int argc, char **argv)
{
	struct buf why = {0}, text = {0};
	struct admin a = {0};
	int code;

	if (!begin("check", "vouch check -c FILE [--dump]", argc, argv, 0, 0, &a, &code))
		return code;
	code = 0;
	config_dump(&a.config, &text);
	if (!load_check(&a.config, (int64_t)time(NULL), &why))
		code = verb_say("check", 1, "%s", why.p);
	else if (a.dump)
		fputs(text.p, stdout);
	else
		printf("%s is fine\n", a.file);
	buf_free(&why);
	buf_free(&text);
	return code;
}

/* ask: sends line to the running server and prints its answer. 3: no server runs. Frees the configuration. */
static int ask(const char *verb, struct admin *a, const char *line)
{
	struct buf answer = {0};
	bool running;
	int code = 0;

	if (control_ask(&a->config, line, &answer, &running))
		fputs(answer.p != NULL ? answer.p : "", stdout);
	else
		code = verb_say(verb, running ? 1 : 3, "%.*s", SLICE_ARG(slice_trim(buf_slice(&answer))));
	buf_free(&answer);
	config_free(&a->config);
	return code;
}

int verb_status(int argc, char **argv)
{
	struct admin a = {0};
	int code;

	if (!begin("status", "vouch status -c FILE [--json]", argc, argv, 0, 0, &a, &code))
		return code;
	return ask("status", &a, a.json ? "status json" : "status");
}

int verb_reload(int argc, char **argv)
{
	struct admin a = {0};
	int code;

	if (!begin("reload", "vouch reload -c FILE", argc, argv, 0, 0, &a, &code))
		return code;
	return ask("reload", &a, "reload");
}

/* read_aor: appends word as an AOR (uri_aor). false: it is no address of the domain. */
static bool read_aor(const struct config *c, struct slice word, struct buf *aor)
{
	struct buf text = {0};
	struct uri u;
	bool ok;

	buf_add(&text, word);
	ok = uri_parse(buf_slice(&text), &u) == ERR_OK && uri_aor(&u, aor) == ERR_OK &&
	     slice_ieq(u.host, slice_str(c->domain));
	buf_free(&text);
	return ok;
}

int verb_revoke_as_admin(int argc, char **argv)
{
	struct buf aor = {0}, line = {0};
	struct admin a = {0};
	int code;

	if (!begin("revoke", "vouch revoke AOR -c FILE, or with an account: vouch revoke -a ACCOUNT", argc, argv, 1, 1,
		   &a, &code))
		return code;
	if (!read_aor(&a.config, slice_str(a.words[0]), &aor)) {
		code = verb_say("revoke", 1, "%s is no address of %s", a.words[0], a.config.domain);
		config_free(&a.config);
	} else {
		buf_addf(&line, "revoke %s", aor.p);
		code = ask("revoke", &a, line.p);
	}
	buf_free(&aor);
	buf_free(&line);
	return code;
}

/* The user part of an AOR "sip:user@domain", as HA1 takes it. */
static struct slice user_part(struct slice aor)
{
	return slice_sub(aor, 4, slice_rchr(aor, '@'));
}

/* Only the hashes are stored (RFC 7616 3.4.2), for both algorithms and both realms. */
static void hash_password(const struct config *c, struct slice aor, struct slice password, struct ha1 *out)
{
	ha1_make(user_part(aor), slice_str(c->domain), slice_str(config_credential_realm(c)), password, out);
}

/* One AOR a line, for scripts. */
static void print_user(void *arg, const struct user *u)
{
	(void)arg;
	puts(u->aor);
}

/*
 * read_hashes: "HA1-MD5,HA1-SHA-256" or these and that of the realm of the credential service. ERR_NOTFOUND: it is
 * something else. ERR_SYNTAX: it begins as hashes do.
 */
static enum err read_hashes(const struct config *c, struct slice text, struct ha1 *out)
{
	struct slice md5, sha256, credential = SLICE_NONE;

	*out = (struct ha1){0};
	if (!slice_cut(text, ',', &md5, &sha256))
		return ERR_NOTFOUND;
	slice_cut(sha256, ',', &sha256, &credential);
	if (md5.n != 32 || sha256.n != 64 || !ha1_read(md5, 32, out->md5) || !ha1_read(sha256, 64, out->sha256))
		return ERR_NOTFOUND;
	if (credential.n == 0 && strcmp(config_credential_realm(c), c->domain) == 0)
		credential = sha256;
	return ha1_read(credential, 64, out->credential) ? ERR_OK : ERR_SYNTAX;
}

/* same_secret: what is imported once more ends no registration. */
static bool same_secret(const struct user *known, const struct ha1 *h)
{
	return strcmp(known->ha1.md5, h->md5) == 0 && strcmp(known->ha1.sha256, h->sha256) == 0 &&
	       strcmp(user_ha1_credential(known), h->credential) == 0;
}

/* import_line: "AOR,password" or "AOR," and hashes. Other commas belong to the password. */
static bool import_line(struct users *users, const struct config *c, struct slice line)
{
	struct slice name, rest;
	struct buf aor = {0};
	bool ok = slice_cut(line, ',', &name, &rest) && rest.n > 0 && read_aor(c, slice_trim(name), &aor);

	if (ok) {
		const struct user *known = users_find(users, buf_slice(&aor));
		struct ha1 h;
		enum err e = read_hashes(c, rest, &h);

		if (e == ERR_NOTFOUND)
			hash_password(c, buf_slice(&aor), rest, &h);
		ok = e != ERR_SYNTAX;
		if (ok && (known == NULL || !same_secret(known, &h)))
			users_set(users, buf_slice(&aor), &h);
		mem_wipe(&h, sizeof(h));
	}
	buf_free(&aor);
	return ok;
}

/* import: changes users in memory only; the first bad line ends it, and nothing is saved then. */
static int import(struct users *users, const struct config *c, const char *file)
{
	struct slice rest, line;
	struct buf text = {0}, why = {0};
	unsigned number = 0;
	int code = 0;

	if (!named_read(file, true, CSV_MAX, &text, &why)) {
		code = verb_say("user", 3, "%s", why.p);
		buf_free(&why);
		return code;
	}
	if (text.n > 0 && text.p[text.n - 1] != '\n')
		buf_addc(&text, '\n');
	for (rest = buf_slice(&text); code == 0 && slice_cut(rest, '\n', &line, &rest);) {
		number++;
		line = slice_trim(line);
		if (line.n > 0 && !import_line(users, c, line))
			code = verb_say(
				"user", 1,
				"%s:%u: expected \"AOR,password\", or \"AOR,HA1-MD5,HA1-SHA-256\" and if wanted "
				"\",HA1-SHA-256 of realm %s\", of the domain %s; nothing was imported",
				file, number, config_credential_realm(c), c->domain);
	}
	buf_wipe(&text);
	return code;
}

static void set_password(struct users *users, const struct config *c, struct slice aor, struct slice password)
{
	struct ha1 h;

	hash_password(c, aor, password, &h);
	users_set(users, aor, &h);
	mem_wipe(&h, sizeof(h));
}

/* change: add, passwd or del of one AOR, in memory only. */
static int change(struct users *users, const struct config *c, const char *what, const char *word)
{
	char password[PASSWORD_MAX];
	struct buf aor = {0};
	bool known;
	int code = 0;

	if (!read_aor(c, slice_str(word), &aor)) {
		buf_free(&aor);
		return verb_say("user", 2, "%s is no address of the domain %s; expected sip:name@%s", word, c->domain,
				c->domain);
	}
	known = users_find(users, buf_slice(&aor)) != NULL;
	if (strcmp(what, "add") == 0 && known)
		code = verb_say("user", 1, "%s is there already; \"vouch user passwd\" changes its password", aor.p);
	else if (strcmp(what, "add") != 0 && !known)
		code = verb_say("user", 1, "there is no user %s", aor.p);
	else if (strcmp(what, "del") == 0)
		users_remove(users, buf_slice(&aor));
	else if (!prompt_secret("Password: ", password, sizeof(password)))
		code = verb_say("user", 3, "no password came on standard input");
	else
		set_password(users, c, buf_slice(&aor), slice_str(password));
	mem_wipe(password, sizeof(password));
	buf_free(&aor);
	return code;
}

/*
 * lock_users: takes the lock of the file of users. When two verbs change it at the same time, the second one must read
 * what the first one has written.
 */
static bool lock_users(int dirfd, int *lock)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
	enum err e = ERR_EXISTS;

	for (int i = 0; i < LOCK_TRIES && e == ERR_EXISTS; i++) {
		e = file_lock(dirfd, FILE_LOCK_USERS, lock);
		if (e == ERR_EXISTS)
			nanosleep(&pause, NULL);
	}
	return e == ERR_OK;
}

/*
 * with_users: reads the users, does what the verb says, saves them, and tells the running server. A damaged file can be
 * listed, but not changed: saving would drop its damaged lines.
 */
static int with_users(struct admin *a, int dirfd)
{
	const char *what = a->words[0], *word = a->words[1];
	bool lists = strcmp(what, "list") == 0, running;
	struct buf answer = {0}, why = {0};
	uint8_t master[SEAL_KEY];
	struct users *users;
	int code = 0;
	enum err e;

	/* A list needs no key. */
	if (!lists && !load_master(&a->config, master, &why)) {
		code = verb_say("user", 3, "%s", why.p);
		buf_free(&why);
		return code;
	}
	users = users_new(slice_str(config_credential_realm(&a->config)));
	e = users_load(users, dirfd, lists ? NULL : master);
	if (e == ERR_CRYPTO)
		code = verb_say("user", 3, "the master key %s does not belong to this store; put the right one back",
				a->config.master_key);
	else if (e == ERR_SYNTAX && !lists)
		code = verb_say("user", 3,
				"the file users in the store has damaged lines; restore it, or delete these lines and "
				"add their users again");
	else if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_SYNTAX)
		code = verb_say("user", 3, "the users cannot be read: %s", strerror(errno));
	else if (lists)
		users_each(users, print_user, NULL);
	else
		code = strcmp(what, "import") == 0 ? import(users, &a->config, word)
						   : change(users, &a->config, what, word);
	if (code == 0 && !lists) {
		/* The file first, then the server, which reads it again. No running server is no error. */
		if (users_save(users, dirfd, master) != ERR_OK)
			code = verb_say("user", 3, "the users cannot be written: %s", strerror(errno));
		else if (!control_ask(&a->config, "users", &answer, &running) && running)
			code = verb_say("user", 1, "stored, but the running server said: %.*s",
					SLICE_ARG(slice_trim(buf_slice(&answer))));
	}
	mem_wipe(master, sizeof(master));
	buf_free(&answer);
	users_free(users);
	return code;
}

int verb_user(int argc, char **argv)
{
	static const char usage[] = "vouch user add|del|passwd AOR -c FILE | list -c FILE | import CSV -c FILE";
	static const char *const known[] = {"add", "del", "passwd", "import", "list"};
	struct buf why = {0};
	struct admin a = {0};
	bool found = false;
	int code, dirfd, lock = -1;

	if (!begin("user", usage, argc, argv, 1, 2, &a, &code))
		return code;
	for (size_t i = 0; i < 5; i++)
		found = found || (strcmp(a.words[0], known[i]) == 0 && a.count == (i == 4 ? 1 : 2));
	if (!found) {
		code = verb_say("user", 2, "usage: %s", usage);
	} else if (!load_store(&a.config, true, &dirfd, &why)) {
		code = verb_say("user", 3, "%s", why.p);
	} else if (strcmp(a.words[0], "list") != 0 &&
		   (!load_belongs(&a.config, dirfd, true, &why) || load_lost(dirfd, &why))) {
		code = verb_say("user", 1, "%s", why.p);
		close(dirfd);
	} else {
		if (strcmp(a.words[0], "list") != 0 && !lock_users(dirfd, &lock))
			code = verb_say("user", 3, "the users are being changed by another \"vouch user\"; try again");
		else
			code = with_users(&a, dirfd);
		if (lock >= 0)
			close(lock);
		close(dirfd);
	}
	buf_free(&why);
	config_free(&a.config);
	return code;
}
