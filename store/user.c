#include "store/user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/hash.h"
#include "crypto/rng.h"
#include "crypto/seal.h"

/*
 * The list of users, kept in memory by AOR. Lines have checksums of their own, so that a damaged one costs one user and
 * not all (G35).
 */

#define FILE_MAX (256u << 20) /* half a million users */
#define SECRET_MAX 512        /* room for the sealed text, which must not be left behind when a buffer grows */
#define NAMED S("named ")
#define SUM 16 /* hexadecimal digits of a line's checksum */

struct users {
	struct map by_aor;
	char *credential_realm;
	size_t lacking;
	bool outdated, damaged;
};

struct users *users_new(struct slice credential_realm)
{
	struct users *u = mem_alloc(sizeof(*u));

	u->credential_realm = slice_dup(credential_realm);
	map_init(&u->by_aor);
	return u;
}

static void user_free(struct user *u)
{
	mem_wipe(&u->ha1, sizeof(u->ha1));
	mem_free(u->aor);
	mem_free(u->realm);
	mem_free(u);
}

void users_free(struct users *u)
{
	struct map_node *n;

	if (u == NULL)
		return;
	while ((n = map_first(&u->by_aor)) != NULL) {
		map_remove(&u->by_aor, n);
		user_free(MAP_ENTRY(n, struct user, node));
	}
	map_free(&u->by_aor);
	mem_free(u->credential_realm);
	mem_free(u);
}

static void checksum(struct slice fields, char out[2 * HASH_MAX + 1])
{
	hash_hex(HASH_SHA256, &fields, 1, out);
	out[SUM] = '\0';
}

/* number_of: a generation: 16 digits or fewer. */
static bool number_of(struct slice s, uint64_t *out)
{
	return s.n > 0 && s.n <= 16 && slice_hex(s, out);
}

bool users_line(struct slice line, struct user_line *out)
{
	struct slice rest, fields, sum, second, third;
	char expected[2 * HASH_MAX + 1], scratch[65];
	size_t last = slice_rchr(line, ' ');
	struct user_line l = {0};

	fields = slice_sub(line, 0, last);
	sum = slice_sub(line, last + 1, line.n);
	if (!slice_cut(fields, ' ', &l.aor, &rest) || !slice_starts(l.aor, S("sip:")) ||
	    !slice_cut(rest, ' ', &second, &rest))
		return false;
	checksum(fields, expected);
	if (!slice_eq(sum, slice_str(expected)))
		return false;
	if (slice_cut(rest, ' ', &third, &l.box)) {
		if (!number_of(second, &l.account) || !number_of(third, &l.secret) || l.box.n == 0)
			return false;
	} else {
		l.md5 = second;
		l.sha256 = rest;
		if (!ha1_read(l.md5, 32, scratch) || !ha1_read(l.sha256, 64, scratch))
			return false;
	}
	*out = l;
	return true;
}

static struct user *find(const struct users *u, struct slice aor)
{
	struct map_node *n = map_find(&u->by_aor, aor);

	return n == NULL ? NULL : MAP_ENTRY(n, struct user, node);
}

const struct user *users_find(const struct users *u, struct slice aor)
{
	return find(u, aor);
}

static uint64_t new_generation(void)
{
	uint64_t n = 0;

	while (n == 0) /* which stands for what was there before generations */
		rng_fill(&n, sizeof(n));
	return n;
}

bool user_has_ha1(const struct user *user, const struct ha1 *h)
{
	return strcmp(user->ha1.md5, h->md5) == 0 && strcmp(user->ha1.sha256, h->sha256) == 0 &&
	       strcmp(user_ha1_credential(user), h->credential) == 0;
}

const char *user_ha1_credential(const struct user *user)
{
	return user->realm == NULL ? user->ha1.credential : "";
}

static bool lacks(const struct user *user)
{
	return user_ha1_credential(user)[0] == '\0';
}

/* put: adds the user, or empties the one that is there. */
static struct user *put(struct users *u, struct slice aor)
{
	struct user *user = find(u, aor);

	if (user != NULL) {
		u->lacking -= lacks(user);
		mem_free(user->realm);
		user->realm = NULL;
		return user;
	}
	user = mem_alloc(sizeof(*user));
	user->aor = slice_dup(aor);
	map_add(&u->by_aor, &user->node, slice_str(user->aor));
	return user;
}

void users_set(struct users *u, struct slice aor, const struct ha1 *h)
{
	bool known = find(u, aor) != NULL;
	struct user *user = put(u, aor);

	if (!known)
		user->account = new_generation();
	user->secret = new_generation();
	user->ha1 = *h;
	u->lacking += lacks(user);
}

bool users_remove(struct users *u, struct slice aor)
{
	struct user *user = find(u, aor);

	if (user == NULL)
		return false;
	u->lacking -= lacks(user);
	map_remove(&u->by_aor, &user->node);
	user_free(user);
	return true;
}

/* --- the file --- */

/* A box belongs to its line: none opens in that of another user, or generation. */
static void context_of(const struct user_line *l, struct buf *out)
{
	buf_addf(out, "user %.*s ", SLICE_ARG(l->aor));
	buf_addx(out, l->account);
	buf_addc(out, ' ');
	buf_addx(out, l->secret);
}

/*
 * read_secret: the sealed text: three hashes and the realm of the last one; in front of them NAMED and the hash of
 * user@domain, in boxes since there is one.
 */
static bool read_secret(const struct users *u, struct slice text, struct user *user)
{
	struct slice rest, md5, sha256, credential, realm, named;

	if (slice_starts(text, NAMED) &&
	    (!slice_cut(slice_sub(text, NAMED.n, text.n), ' ', &named, &text) || !ha1_read(named, 32, user->ha1.named)))
		return false;
	if (!slice_cut(text, ' ', &md5, &rest) || !slice_cut(rest, ' ', &sha256, &rest) ||
	    !slice_cut(rest, ' ', &credential, &realm) || !ha1_read(md5, 32, user->ha1.md5) ||
	    !ha1_read(sha256, 64, user->ha1.sha256) || !ha1_read(credential, 64, user->ha1.credential))
		return false;
	if (!slice_eq(realm, slice_str(u->credential_realm)))
		user->realm = slice_dup(realm);
	return true;
}

static enum err open_box(const struct users *u, const uint8_t *master, const struct user_line *l, struct user *user)
{
	struct buf box = {0}, context = {0}, text = {0};
	enum err e = base64url_decode(&box, l->box);

	context_of(l, &context);
	buf_reserve(&text, SECRET_MAX);
	if (e == ERR_OK)
		e = seal_open(master, buf_slice(&context), buf_slice(&box), &text);
	if (e == ERR_OK && !read_secret(u, buf_slice(&text), user))
		e = ERR_SYNTAX;
	buf_free(&box);
	buf_free(&context);
	buf_wipe(&text);
	return e;
}

static enum err take_line(struct users *u, struct slice line, const uint8_t *master)
{
	struct user_line l;
	struct user *user;
	enum err e = ERR_OK;

	if (!users_line(line, &l))
		return ERR_SYNTAX;
	user = put(u, l.aor);
	user->account = l.account;
	user->secret = l.secret;
	user->ha1 = (struct ha1){0};
	if (l.box.p == NULL) {
		u->outdated = true;
		if (!ha1_read(l.md5, 32, user->ha1.md5) || !ha1_read(l.sha256, 64, user->ha1.sha256))
			e = ERR_SYNTAX;
	} else if (master != NULL) {
		e = open_box(u, master, &l, user);
	}
	u->lacking += lacks(user);
	if (e != ERR_OK)
		users_remove(u, l.aor);
	return e;
}

enum err users_load(struct users *u, int dirfd, const uint8_t *master)
{
	unsigned number = 0, taken = 0, sealed = 0;
	struct slice rest, line;
	struct buf text = {0};
	enum err e = file_read(dirfd, USER_FILE, FILE_MAX, &text), one;

	for (rest = e == ERR_OK ? buf_slice(&text) : SLICE_NONE; rest.n > 0;) {
		size_t end = slice_chr(rest, '\n');

		line = slice_sub(rest, 0, end);
		rest = slice_sub(rest, end + 1, rest.n);
		number++;
		if (line.n == 0 || line.p[0] == '#')
			continue;
		one = take_line(u, line, master);
		taken += one == ERR_OK;
		sealed += one == ERR_CRYPTO;
		if (one == ERR_OK)
			continue;
		e = ERR_SYNTAX;
		u->damaged = true;
		if (one != ERR_CRYPTO || taken > 0)
			log_line(LOG_ERROR, "event=bad_user_line file=" USER_FILE " line=%u", number);
	}
	buf_wipe(&text);
	return taken == 0 && sealed > 0 ? ERR_CRYPTO : e;
}

bool users_damaged(const struct users *u)
{
	return u->damaged;
}

bool users_outdated(const struct users *u)
{
	return u->outdated;
}

static int by_aor(const void *a, const void *b)
{
	return strcmp((*(const struct user *const *)a)->aor, (*(const struct user *const *)b)->aor);
}

/*
 * sorted_users: all users in the order of their AORs, so that the file and lists of it can be compared. The caller
 * frees the list, not the users.
 */
static const struct user **sorted_users(const struct users *u)
{
	const struct user **sorted = mem_calloc(u->by_aor.count, sizeof(*sorted));
	size_t count = 0;

	for (struct map_node *n = map_first(&u->by_aor); n != NULL; n = map_next(&u->by_aor, n))
		sorted[count++] = MAP_ENTRY(n, struct user, node);
	qsort(sorted, count, sizeof(*sorted), by_aor);
	return sorted;
}

static const char *or_dash(const char *hex)
{
	return hex[0] != '\0' ? hex : "-";
}

/* add_box: the hashes of a user, sealed. */
static void add_box(const struct users *u, const struct user *user, const uint8_t *master, struct buf *out)
{
	const struct user_line l = {.aor = slice_str(user->aor), .account = user->account, .secret = user->secret};
	struct buf context = {0}, text = {0}, box = {0};

	context_of(&l, &context);
	buf_reserve(&text, SECRET_MAX);
	if (user->ha1.named[0] != '\0')
		buf_addf(&text, "%.*s%s ", SLICE_ARG(NAMED), user->ha1.named);
	buf_addf(&text, "%s %s %s %s", or_dash(user->ha1.md5), or_dash(user->ha1.sha256), or_dash(user->ha1.credential),
		 user->realm != NULL ? user->realm : u->credential_realm);
	seal_close(master, buf_slice(&context), buf_slice(&text), &box);
	base64url_encode(out, buf_slice(&box));
	buf_free(&context);
	buf_wipe(&text);
	buf_free(&box);
}

enum err users_save(const struct users *u, int dirfd, const uint8_t *master)
{
	const struct user **sorted = sorted_users(u);
	size_t count = u->by_aor.count;
	struct buf text = {0};
	enum err e;

	buf_adds(&text, "# AOR, generations of account and secret, sealed hashes, checksum; changed by \"vouch user\", "
			"not by hand\n");
	for (size_t i = 0; i < count; i++) {
		size_t start = text.n;
		char sum[2 * HASH_MAX + 1];

		buf_addf(&text, "%s ", sorted[i]->aor);
		buf_addx(&text, sorted[i]->account);
		buf_addc(&text, ' ');
		buf_addx(&text, sorted[i]->secret);
		buf_addc(&text, ' ');
		add_box(u, sorted[i], master, &text);
		checksum(slice_of(text.p + start, text.n - start), sum);
		buf_addf(&text, " %s\n", sum);
	}
	e = file_replace(dirfd, USER_FILE, buf_slice(&text));
	buf_free(&text);
	mem_free((void *)sorted);
	return e;
}

void users_each(const struct users *u, user_fn fn, void *arg)
{
	const struct user **sorted = sorted_users(u);

	for (size_t i = 0; i < u->by_aor.count; i++)
		fn(arg, sorted[i]);
	mem_free((void *)sorted);
}

size_t users_count(const struct users *u)
{
	return u->by_aor.count;
}

size_t users_lacking(const struct users *u)
{
	return u->lacking;
}

/* --- hashes --- */

static void hash_of(enum hash_alg alg, struct slice name, struct slice realm, struct slice password, char *out)
{
	struct slice parts[5] = {name, S(":"), realm, S(":"), password};
	char hex[2 * HASH_MAX + 1];

	hash_hex(alg, parts, 5, hex);
	memcpy(out, hex, 2 * hash_size(alg) + 1);
	mem_wipe(hex, sizeof(hex));
}

void ha1_make(struct slice name, struct slice realm, struct slice credential_realm, struct slice password,
	      struct ha1 *out)
{
	struct buf named = {0};

	buf_addf(&named, "%.*s@%.*s", SLICE_ARG(name), SLICE_ARG(realm));
	hash_of(HASH_MD5, buf_slice(&named), realm, password, out->named);
	buf_free(&named);
	hash_of(HASH_MD5, name, realm, password, out->md5);
	hash_of(HASH_SHA256, name, realm, password, out->sha256);
	hash_of(HASH_SHA256, name, credential_realm, password, out->credential);
}

bool ha1_read(struct slice text, size_t digits, char *out)
{
	out[0] = '\0';
	if (text.n == 0 || slice_eq(text, S("-")))
		return true;
	if (text.n != digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		char c = ascii_lower(text.p[i]);

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	for (size_t i = 0; i < digits; i++)
		out[i] = ascii_lower(text.p[i]);
	out[digits] = '\0';
	return true;
}
