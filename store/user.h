#ifndef STORE_USER_H
#define STORE_USER_H

#include "core/map.h"
#include "store/file.h"

/*
 * The file "users": a line "AOR HA1-MD5 HA1-SHA-256 checksum" for each user. HA1 = hash(user part ":" realm ":"
 * password), RFC 7616 3.4.2, with the domain as the realm. Passwords are never stored; "-" stands for an HA1 that is
 * not known. Whoever has an HA1 can log in, so HA1 values are kept and wiped like passwords and never logged.
 */
#define USER_FILE "users"

struct user {
	struct map_node node;
	char *aor;
	char md5[33], sha256[65]; /* lower-case hexadecimal, or "" */
};

struct users;

struct users *users_new(void);
void users_free(struct users *u);

/*
 * users_load: adds what the file has. A damaged line is left out, with an error line in the log, and the result is
 * ERR_SYNTAX: the rest may be served, but nothing must be deleted for a user that seems to be missing (T-48).
 * ERR_NOTFOUND: there is no file. ERR_LIMIT, ERR_IO.
 */
MUST_USE enum err users_load(struct users *u, int dirfd);

/* users_save: replaces the file durably; waits for the disk. Errors of file_replace. */
MUST_USE enum err users_save(const struct users *u, int dirfd);

const struct user *users_find(const struct users *u, struct slice aor);

/*
 * users_set: adds or replaces a user; all slices are copied. aor is an AOR key (uri_aor): no blanks, no control
 * characters. "-" or nothing: that HA1 is not known. users_remove: false when there is no such user.
 */
void users_set(struct users *u, struct slice aor, struct slice md5, struct slice sha256);
bool users_remove(struct users *u, struct slice aor);

/* users_each: calls fn in the order of the AORs; fn must not change the table. */
typedef void (*user_fn)(void *arg, const struct user *u);
void users_each(const struct users *u, user_fn fn, void *arg);
size_t users_count(const struct users *u);

/* users_ha1: both HA1 of user part, realm and password, as lower-case hexadecimal with a NUL. The caller wipes them. */
void users_ha1(struct slice name, struct slice realm, struct slice password, char md5[33], char sha256[65]);

/*
 * users_line: takes one line of the file (without its end) apart; the slices lie in line. false: damaged. For
 * users_load and its fuzzer.
 */
bool users_line(struct slice line, struct slice *aor, struct slice *md5, struct slice *sha256);

#endif
