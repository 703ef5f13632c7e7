#ifndef SIP_CREDENTIAL_CREDENTIALS_H
#define SIP_CREDENTIAL_CREDENTIALS_H

#include "sip/access/access.h"
#include "sip/event/notifier.h"
#include "store/credential.h"

/*
 * The credential service (draft 7.10, RFC 3903 6): takes PUBLISHes of credentials, keeps them in the store, lets them
 * expire, and tells the notifier about each change. A 200 leaves only when the new state is durable. Changes of one AOR
 * are made one after another.
 */
struct credentials;

struct credentials_deps {
	struct loop *loop;
	struct tx_layer *transactions;
	struct access access;
	struct credential_store *store;
	struct work *work; /* makes credentials for users (style 3) */
};

/*
 * credentials_new: deps are copied. credentials_attach has to follow before anything else. credentials_free ignores
 * NULL.
 */
struct credentials *credentials_new(const struct credentials_deps *deps);
void credentials_free(struct credentials *c);

/* credentials_attach: n is told of all changes; borrowed. Also ends what has expired since the last run. */
void credentials_attach(struct credentials *c, struct notifier *n);

/* credentials_source: the state that NOTIFYs carry; its arg is the struct credentials. */
extern const struct notifier_source credentials_source;

/*
 * credentials_publish: answers one PUBLISH, now or when the store is done. aor: its Request-URI as an AOR, of the
 * domain. The statuses and their order are T-15.
 */
void credentials_publish(struct credentials *c, struct tx *tx, struct slice aor);

/*
 * credentials_gone: the user of aor is gone, perhaps by mistake: the record is set aside, not erased (T-48), and who
 * watches him is told. A change that is under way is revoked.
 */
void credentials_gone(struct credentials *c, struct slice aor);

/*
 * credentials_revoke: revokes as the administrator. done(arg, err) is called when the revocation is durable or has
 * failed; a change that is being written goes first. ERR_NOTFOUND: there is no credential. ERR_BUSY: another revocation
 * waits, or the disk has too much to do. done is not called on an error here.
 */
MUST_USE enum err credentials_revoke(struct credentials *c, struct slice aor, commit_fn done, void *arg);

/*
 * credentials_create: makes a certificate and a key for a user, as the administrator wishes; the server knows the key
 * (style 3). done(arg, err) is called when both are durable, or that has failed. ERR_EXISTS: there is a credential.
 * ERR_UNSUPPORTED: credential.style does not allow it. ERR_BUSY: a change of it is under way, or too much is to be
 * done. done is not called on an error here.
 */
MUST_USE enum err credentials_create(struct credentials *c, struct slice aor, commit_fn done, void *arg);

#endif
