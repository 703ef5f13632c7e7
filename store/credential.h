#ifndef STORE_CREDENTIAL_H
#define STORE_CREDENTIAL_H

#include "core/map.h"
#include "crypto/seal.h"
#include "store/commit.h"

/*
 * The credentials of the users of the domain: one file for each AOR, named by an HMAC of the AOR, so that no name from
 * the network chooses a path (G26). Memory holds an index without certificates and keys. Private keys are sealed with
 * AES-256-GCM in the file, whatever form they were published in (DEP-07).
 *
 * A revoked credential stays as a file that says so. If it were unlinked, a power cut could undo the unlink and bring
 * the key back. Times are seconds since 1970.
 */
#define CREDENTIAL_SUFFIX ".rec" /* behind the names of records */
#define CREDENTIAL_ETAG 32       /* hexadecimal digits of an entity-tag */

/* What the index knows of an AOR. Owned by the store; changes only when a credential_put has become durable. */
struct credential {
	struct map_node node;
	char *aor;
	char etag[CREDENTIAL_ETAG + 1]; /* of the current state, "" when there is none */
	uint64_t generation;            /* counts the changes of this AOR and never goes back */
	uint64_t account;               /* the account generation (store/user.h) of the user who published it */
	int64_t published, expires;     /* of the publication, RFC 3903 */
	int64_t not_before, not_after;
	uint8_t sha256[32]; /* of the certificate */
	bool present;       /* there is a certificate; else revoked, removed or expired */
	bool has_key;
	bool made_here;                 /* by this server, style 3 */
	struct credential_write *write; /* the store's: a change that is on its way to the disk, or NULL */
};

/* A new state of one AOR. All slices are copied by credential_put. */
struct credential_change {
	struct slice aor, etag;
	uint64_t account;  /* as in struct credential */
	struct slice cert; /* DER; n = 0: revoked, and the rest does not matter */
	struct slice key;  /* PKCS#8 DER as it was published; n = 0: none */
	int64_t published, expires, not_before, not_after;
	bool made_here;
};

struct credential_store;

/*
 * credential_store_open: reads every record in dirfd (borrowed, as is commit). A damaged record is renamed to NAME.bad,
 * with an error line, and the others are served. master must be that of the store (master_check). ERR_UNSUPPORTED: a
 * record was written by a newer version; *why names it and nothing was changed. master: SEAL_KEY octets, copied.
 * ERR_IO.
 */
MUST_USE enum err credential_store_open(int dirfd, struct commit *commit, const uint8_t *master,
					struct credential_store **out, struct buf *why);
void credential_store_free(struct credential_store *s);

/* credential_find: NULL for an AOR that never had a credential. Valid until the next turn of the loop. */
const struct credential *credential_find(const struct credential_store *s, struct slice aor);

/*
 * credential_read: appends certificate and key in DER (no key: nothing); pass NULL for what is not wanted. Reads the
 * file, and the caller wipes key. ERR_NOTFOUND: not present. ERR_IO, ERR_CRYPTO: the record is gone, damaged or of
 * another generation. cert and key are as before then.
 */
MUST_USE enum err credential_read(const struct credential_store *s, const struct credential *c, struct buf *cert,
				  struct buf *key);

/*
 * credential_put: writes a new state. When done says ERR_OK it is durable, and only from then on credential_find shows
 * it; after any error the old state stands. One at a time for an AOR: the caller queues. ERR_BUSY: done is not called.
 */
MUST_USE enum err credential_put(struct credential_store *s, const struct credential_change *change, commit_fn done,
				 void *arg);

/*
 * credential_set_aside: the record of an account that is no more: its file is renamed to NAME.ACCOUNT.gone, which
 * nobody reads, and it is in the index no more. c is freed. Not while a change of it is under way.
 */
void credential_set_aside(struct credential_store *s, const struct credential *c);

/* credential_each: in no order; fn must not change the store. */
typedef void (*credential_fn)(void *arg, const struct credential *c);
void credential_each(const struct credential_store *s, credential_fn fn, void *arg);

/*
 * credential_record_belongs: is the file name the one that this master key gives to the AOR in it? ERR_CRYPTO: it is
 * not. ERR_SYNTAX, ERR_IO, ERR_LIMIT: it cannot be read.
 */
MUST_USE enum err credential_record_belongs(int dirfd, const char *name, const uint8_t *master);

/*
 * credential_record_read: reads the text of one record; for the store itself and for tests of damaged files. out->aor
 * is the caller's.
 */
MUST_USE enum err credential_record_read(const uint8_t *master, struct slice text, struct credential *out,
					 struct buf *cert, struct buf *key);

#endif
