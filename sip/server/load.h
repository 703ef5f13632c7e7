#ifndef SIP_SERVER_LOAD_H
#define SIP_SERVER_LOAD_H

#include "sip/identity/domain_cert.h"
#include "sip/settings.h"
#include "store/file.h"

/*
 * Everything that a configuration names, read and checked: for the start, for reload and for "vouch check" alike. Each
 * function appends one sentence to *why when it says false.
 */

/*
 * load_limits: raises the limit of open files as far as the system lets it, and lowers limits.connections when that is
 * not enough, because connections must not take the descriptors of the store and of the control socket. A running
 * server calls it before load_settings.
 */
void load_limits(struct config *c);

/*
 * load_settings: config, which is taken in any case, becomes *out with all that its files hold but the users. Checked
 * are the keys that must go together, and names, dates, kinds and uses of the certificates (TLS-13). slots: worker
 * threads that use the TLS keys.
 */
MUST_USE bool load_settings(struct config *config, unsigned slots, int64_t now_s, struct settings *out,
			    struct buf *why);

/*
 * load_users: the users of the store, which the caller puts into its settings. running: the table until now, NULL at
 * the start. A damaged list is good enough to start with, but not to replace a running one: users whom it lacks would
 * lose their credentials.
 */
MUST_USE bool load_users(int dirfd, const struct users *running, struct users **out, struct buf *why);

/* load_identity: adds the domain certificate of the configuration, with a key for each worker, to *into (RFC 4474 5).
 */
MUST_USE bool load_identity(const struct config *c, unsigned workers, int64_t now_s, struct domain_certs *into,
			    struct buf *why);

/* load_master: the SEAL_KEY octets of server.master-key. load_store: opens the store's folder; create: and makes it. */
MUST_USE bool load_master(const struct config *c, uint8_t *key, struct buf *why);
MUST_USE bool load_store(const struct config *c, bool create, int *dirfd, struct buf *why);

/* load_check: all of the above without effect; config is taken. */
MUST_USE bool load_check(struct config *config, int64_t now_s, struct buf *why);

#endif
