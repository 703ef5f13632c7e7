#ifndef STORE_CREDENTIAL_H
#define STORE_CREDENTIAL_H

#include "core/map.h"
#include "crypto/seal.h"
#include "store/commit.h"

/*
 * The credentials of the domain's users: one file each, whose name is an HMAC of the AOR; in memory an index without
 * certificates and keys. Private keys are sealed with AES-256-GCM in the file, whatever form they have. A revoked
 * credential stays as a file that says so, so that a lost unlink cannot bring a key back. Times are seconds since 1970.
 */
#define CREDENTIAL_ETAG 32 /* hexadecimal digits of an entity-tag */

/* What the index knows of an AOR. Owned by the store; changes only when a credential_put is durable. */
struct credential {
	struct map_node node;
	char *aor;
	char etag[CREDENTIAL_ETAG + 1]; /* of the current state, "" when there is none */
	uint64_t generation;            /* counts changes, for ever */
	int64_t published, expires;     /* of the publication, RFC 3903 */
	int64_t not_before, not_after;
	uint8_t sha256[32]; /* of the certificate */
	bool present;       /* there is a certificate; else revoked, removed or expired */
	bool has_key;
	bool made_here;                 /* by this server, style 3 */
	struct credential_write *write; /* the store's: a change that is on its way to the disk, or NULL */
};

/* A new state of one AOR. All slices are copied. */
struct credential_change {
	struct slice aor, etag;
	struct slice cert; /* DER; n = 0: revoked, and the rest does not matter */
	struct slice key;  /* PKCS#8 DER as it was published; n = 0: none */
	int64_t published, expires, not_before, not_after;
	bool made_here;
};

struct credential_store;

/*
 * credential_store_open: reads every record below dirfd (borrowed). Damaged ones are set aside, with an error line;
 * what a newer version wrote is ERR_UNSUPPORTED and *why says which file. master: SEAL_KEY octets, kept for as long as
 * the store.
 */
MUST_USE enum err credential_store_open(int dirfd, struct commit *commit, const uint8_t *master,
					struct credential_store **out, struct buf *why);
void credential_store_free(struct credential_store *s);

/* credential_find: NULL for an AOR that never had a credential. */
const struct credential *credential_find(const struct credential_store *s, struct slice aor);

/* credential_read: appends certificate and key (nothing when there is none); NULL for what is not wanted. ERR_NOTFOUND:
 * not present; ERR_IO; ERR_CRYPTO; then cert and key are as before. */
MUST_USE enum err credential_read(const struct credential_store *s, const struct credential *c, struct buf *cert,
				  struct buf *key);

/* credential_put: durable when done says ERR_OK; only then credential_find shows it. ERR_BUSY. One at a time for an
 * AOR. */
MUST_USE enum err credential_put(struct credential_store *s, const struct credential_change *change, commit_fn done,
				 void *arg);

/* credential_each: in no order. */
typedef void (*credential_fn)(void *arg, const struct credential *c);
void credential_each(const struct credential_store *s, credential_fn fn, void *arg);
size_t credential_count(const struct credential_store *s);

/* For tests of damaged files: the octets of a record, and back. */
MUST_USE enum err credential_record_read(const uint8_t *master, struct slice text, struct credential *out,
					 struct buf *cert, struct buf *key);

#endif
