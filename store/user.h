#ifndef STORE_USER_H
#define STORE_USER_H

#include "core/map.h"
#include "store/file.h"

/*
 * The file "users": a line for each user,
 *
 *   AOR account-generation secret-generation box checksum
 *
 * where box has the user's hashes, sealed under the master key (crypto/seal.h). HA1 = hash(user part ":" realm ":"
 * password), RFC 7616 3.4.2. Passwords are never stored. Whoever has an HA1 can log in, so HA1 values are kept and
 * wiped like passwords and never logged. Lines of older versions, "AOR HA1-MD5 HA1-SHA-256 checksum", are read, too.
 *
 * Two numbers say who a user is (T-48): the account generation is another for each user that ever had this AOR, the
 * secret generation for each password of that user. They are random, and 0 in lines of older versions.
 */
#define USER_FILE "users"

/* The hashes of a password, in lower-case hexadecimal; "": not known. */
struct ha1 {
	char md5[33], sha256[65]; /* with the domain as the realm */
	char credential[65];      /* SHA-256, with the realm of the credential service */
	char named[33];           /* MD5, of user@domain instead of the user part, as some phones have it */
};

struct user {
	struct map_node node;
	char *aor;
	uint64_t account, secret; /* the generations */
	struct ha1 ha1;
	char *realm; /* of ha1.credential, when it is not that of the table; NULL */
};

struct users;

/* users_new: credential_realm is copied. */
struct users *users_new(struct slice credential_realm);
void users_free(struct users *u);

/*
 * users_load: adds what the file has. master: SEAL_KEY octets; NULL: without any hashes. A damaged line is left out,
 * with an error line in the log, and the result is ERR_SYNTAX: the rest may be served, but nothing must be deleted for
 * a user that seems to be missing (T-48). ERR_CRYPTO: no box opens, so master is that of another store. ERR_NOTFOUND:
 * there is no file. ERR_LIMIT, ERR_IO.
 */
MUST_USE enum err users_load(struct users *u, int dirfd, const uint8_t *master);

/* users_save: replaces the file durably; waits for the disk. Errors of file_replace. */
MUST_USE enum err users_save(const struct users *u, int dirfd, const uint8_t *master);

/* users_damaged: was a line left out? Then a user who seems to be gone may only be damaged. */
bool users_damaged(const struct users *u);

/* users_outdated: was a line of an older version loaded, whose hashes are not sealed? */
bool users_outdated(const struct users *u);

const struct user *users_find(const struct users *u, struct slice aor);

/*
 * users_set: adds a user, or gives one another secret generation and other hashes; all is copied. aor is an AOR key
 * (uri_aor): no blanks, no control characters. h->credential is for the realm of the table. users_remove: false when
 * there is no such user.
 */
void users_set(struct users *u, struct slice aor, const struct ha1 *h);
bool users_remove(struct users *u, struct slice aor);

/* user_has_ha1: are these the hashes of the user, that is: is it the same password? */
bool user_has_ha1(const struct user *user, const struct ha1 *h);

/* user_ha1_credential: that for the realm of the table, or "". users_lacking: how many users have none. */
const char *user_ha1_credential(const struct user *user);
size_t users_lacking(const struct users *u);

/* users_each: calls fn in the order of the AORs; fn must not change the table. */
typedef void (*user_fn)(void *arg, const struct user *u);
void users_each(const struct users *u, user_fn fn, void *arg);
size_t users_count(const struct users *u);

/*
 * ha1_make: the hashes of user part, realm (which is the domain) and password. ha1_read: one in hexadecimal of either
 * case, "-" or nothing: not known; false: it is none. out: 33 octets for HASH_MD5, else 65. The caller wipes the
 * results.
 */
void ha1_make(struct slice name, struct slice realm, struct slice credential_realm, struct slice password,
	      struct ha1 *out);
MUST_USE bool ha1_read(struct slice text, size_t digits, char *out);

/*
 * users_line: takes one line of the file (without its end) apart; the slices lie in line. false: damaged. For
 * users_load and its fuzzer.
 */
struct user_line {
	struct slice aor;
	uint64_t account, secret;
	struct slice box;         /* base64url; SLICE_NONE: of an older version */
	struct slice md5, sha256; /* of an older version */
};
MUST_USE bool users_line(struct slice line, struct user_line *out);

#endif
