#include "store/user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "crypto/hash.h"

/*
 * The list of users, kept in memory by AOR. Lines have checksums of their own, so that a damaged one costs one user and
 * not all (G35).
 */

#define FILE_MAX (64u << 20) /* half a million users */
#define SUM 16               /* hexadecimal digits of a line's checksum */

struct users {
	struct map by_aor;
};

struct users *users_new(void)
{
	struct users *u = mem_alloc(sizeof(*u));

	map_init(&u->by_aor);
	return u;
}

static void user_free(struct user *u)
{
	mem_wipe(u->md5, sizeof(u->md5));
	mem_wipe(u->sha256, sizeof(u->sha256));
	mem_free(u->aor);
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
	mem_free(u);
}

static bool is_hex(struct slice s, size_t digits)
{
	if (slice_eq(s, S("-")))
		return true;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return s.n == digits;
}

static void checksum(struct slice fields, char out[2 * HASH_MAX + 1])
{
	hash_hex(HASH_SHA256, &fields, 1, out);
	out[SUM] = '\0';
}

bool users_line(struct slice line, struct slice *aor, struct slice *md5, struct slice *sha256)
{
	struct slice rest, fields, sum;
	char expected[2 * HASH_MAX + 1];
	size_t last = slice_rchr(line, ' ');

	fields = slice_sub(line, 0, last);
	sum = slice_sub(line, last + 1, line.n);
	if (!slice_cut(fields, ' ', aor, &rest) || !slice_cut(rest, ' ', md5, sha256))
		return false;
	checksum(fields, expected);
	return slice_starts(*aor, S("sip:")) && is_hex(*md5, 32) && is_hex(*sha256, 64) &&
	       slice_eq(sum, slice_str(expected));
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

static void set_hex(char *out, size_t room, struct slice s)
{
	if (slice_eq(s, S("-")))
		s = SLICE_NONE;
	snprintf(out, room, "%.*s", SLICE_ARG(s));
}

void users_set(struct users *u, struct slice aor, struct slice md5, struct slice sha256)
{
	struct user *user = find(u, aor);

	if (user == NULL) {
		user = mem_alloc(sizeof(*user));
		user->aor = slice_dup(aor);
		map_add(&u->by_aor, &user->node, slice_str(user->aor));
	}
	set_hex(user->md5, sizeof(user->md5), md5);
	set_hex(user->sha256, sizeof(user->sha256), sha256);
}

bool users_remove(struct users *u, struct slice aor)
{
	struct user *user = find(u, aor);

	if (user == NULL)
		return false;
	map_remove(&u->by_aor, &user->node);
	user_free(user);
	return true;
}

enum err users_load(struct users *u, int dirfd)
{
	struct slice rest, line, aor, md5, sha256;
	struct buf text = {0};
	unsigned number = 0;
	enum err e = file_read(dirfd, USER_FILE, FILE_MAX, &text);

	for (rest = e == ERR_OK ? buf_slice(&text) : SLICE_NONE; rest.n > 0;) {
		size_t end = slice_chr(rest, '\n');

		line = slice_sub(rest, 0, end);
		rest = slice_sub(rest, end + 1, rest.n);
		number++;
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (users_line(line, &aor, &md5, &sha256)) {
			users_set(u, aor, md5, sha256);
		} else {
			log_line(LOG_ERROR, "event=bad_user_line file=" USER_FILE " line=%u", number);
			e = ERR_SYNTAX;
		}
	}
	buf_wipe(&text);
	return e;
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

enum err users_save(const struct users *u, int dirfd)
{
	const struct user **sorted = sorted_users(u);
	size_t count = u->by_aor.count;
	struct buf text = {0};
	enum err e;

	buf_adds(&text, "# AOR HA1-MD5 HA1-SHA-256 checksum; changed by \"vouch user\", not by hand\n");
	for (size_t i = 0; i < count; i++) {
		size_t start = text.n;
		char sum[2 * HASH_MAX + 1];

		buf_addf(&text, "%s %s %s", sorted[i]->aor, sorted[i]->md5[0] != '\0' ? sorted[i]->md5 : "-",
			 sorted[i]->sha256[0] != '\0' ? sorted[i]->sha256 : "-");
		checksum(slice_of(text.p + start, text.n - start), sum);
		buf_addf(&text, " %s\n", sum);
	}
	e = file_replace(dirfd, USER_FILE, buf_slice(&text));
	buf_wipe(&text);
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

void users_ha1(struct slice name, struct slice realm, struct slice password, char md5[33], char sha256[65])
{
	struct slice parts[5] = {name, S(":"), realm, S(":"), password};
	char hex[2 * HASH_MAX + 1];

	hash_hex(HASH_MD5, parts, 5, hex);
	snprintf(md5, 33, "%.32s", hex);
	hash_hex(HASH_SHA256, parts, 5, hex);
	snprintf(sha256, 65, "%.64s", hex);
	mem_wipe(hex, sizeof(hex));
}
