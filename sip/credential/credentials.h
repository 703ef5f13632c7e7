#ifndef SIP_CREDENTIAL_CREDENTIALS_H
#define SIP_CREDENTIAL_CREDENTIALS_H

#include "sip/access/access.h"
#include "sip/event/notifier.h"
#include "store/credential.h"

/*
 * The credential service, draft 7.10 and RFC 3903 6: takes PUBLISHes of credentials, keeps them in the store, lets them
 * expire, and tells the notifier. A 200 leaves only after its state is durable; PUBLISHes for one AOR go one after
 * another.
 */
struct credentials;

struct credentials_deps {
	struct loop *loop;
	struct tx_layer *transactions;
	struct access access;
	struct credential_store *store;
	struct work *work; /* makes credentials */
};

struct credentials *credentials_new(const struct credentials_deps *deps);
void credentials_free(struct credentials *c);

/* credentials_attach: who is told of changes. */
void credentials_attach(struct credentials *c, struct notifier *n);

/* credentials_source: what NOTIFYs say; its arg is the struct credentials. */
extern const struct notifier_source credentials_source;

/* credentials_publish: one PUBLISH for an AOR of the domain. */
void credentials_publish(struct credentials *c, struct tx *tx, struct slice aor);

/*
 * credentials_revoke: the administrator's; done(arg, err) once it is durable, behind what is being written now, if
 * anything. ERR_NOTFOUND: nothing there. ERR_BUSY.
 */
MUST_USE enum err credentials_revoke(struct credentials *c, struct slice aor, commit_fn done, void *arg);

#endif
