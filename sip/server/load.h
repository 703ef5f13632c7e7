#ifndef SIP_SERVER_LOAD_H
#define SIP_SERVER_LOAD_H

#include "sip/identity/domain_cert.h"
#include "sip/server/ends.h"
#include "sip/settings.h"
#include "store/file.h"

/*
 * Reading and checking everything that a configuration names, for the start, a reload and "vouch check" alike. When a
 * function returns false, it has appended one sentence to *why.
 */

/*
 * load_limits: raises the limit of open files as far as the system lets it, and lowers limits.connections when that is
 * not enough, because connections must not take the descriptors of the store and of the control socket. A running
 * server calls it before load_settings.
 */
void load_limits(struct config *c);

/*
 * load_settings: *out gets config and everything that its files hold, except the users. config is taken in either case
 * and is zero afterwards. Checked are keys that depend on each other, and names, dates, kinds and uses of the
 * certificates (TLS-13) at now_s, seconds since 1970. slots: worker threads that use the TLS keys.
 */
MUST_USE bool load_settings(struct config *config, unsigned slots, int64_t now_s, struct settings *out,
			    struct buf *why);

/*
 * load_users: *out gets the users of the store in dirfd, with the hashes that the master key of c opens; the caller
 * puts them into its settings. running: the table in use, or NULL. A damaged file is refused, because the users that it
 * lacks would lose their credentials; so is a missing one while there are users. load_users_seal: hashes that an older
 * version wrote in the clear are sealed.
 */
MUST_USE bool load_users(const struct config *c, int dirfd, const struct users *running, struct users **out,
			 struct buf *why);
void load_users_seal(const struct config *c, int dirfd);

/*
 * load_identity: the domain certificate and key of c become the current ones of *into, with a key for each worker (RFC
 * 4474 5).
 */
MUST_USE bool load_identity(const struct config *c, unsigned workers, int64_t now_s, struct domain_certs *into,
			    struct buf *why);

/*
 * load_belongs: does the master key belong to the store in dirfd? write: the store may be given its check value. false:
 * it does not, and nothing was touched. load_lost: is there no file of users, but records of theirs? Then nothing may
 * be changed: the records would count as those of nobody.
 */
MUST_USE bool load_belongs(const struct config *c, int dirfd, bool write, struct buf *why);
bool load_lost(int dirfd, struct buf *why);

/*
 * load_master: reads the SEAL_KEY octets of server.master-key. load_store: opens the folder of the store; create: makes
 * it first.
 */
MUST_USE bool load_master(const struct config *c, uint8_t *key, struct buf *why);
MUST_USE bool load_store(const struct config *c, bool create, int *dirfd, struct buf *why);

/*
 * load_start: all of the above, for the start of a server, and for "vouch check", which must refuse what a server
 * refuses, in the same words. check: the store is neither locked nor written. config is taken. false: nothing is left.
 */
struct load_start {
	struct settings settings; /* with the users */
	int dirfd;                /* the folder of the store */
	int lock;                 /* of the store, -1 for a check */
};
MUST_USE bool load_start(struct config *config, bool check, unsigned slots, int64_t now_s, struct domain_certs *certs,
			 struct load_start *out, struct buf *why);

/* load_start_drop: gives everything back; the lock last, because another process may take the store from then on. */
void load_start_drop(struct load_start *s);

/*
 * load_listen_allowed: may whoever runs this program listen on all of the ports? false: one sentence was appended to
 * *why. LOAD_LOW_PORT: its end, also for who has tried.
 */
#define LOAD_LOW_PORT \
	"ports below 1024 need a right that this user does not have; take a higher one, or give the program the " \
	"capability CAP_NET_BIND_SERVICE (setcap, or AmbientCapabilities in its systemd unit)"
MUST_USE bool load_listen_allowed(const struct config *c, struct buf *why);

/*
 * load_doubts: what a server can start with, but is hardly meant. fn is called for each; all is valid during the call.
 */
struct load_doubt {
	bool grave;           /* no client will be content: "vouch check" fails for it */
	const char *sentence; /* for a person */
	const char *event;    /* for the log: "certificate_ends", and what more there is, "file=tls.crt days=7" or "" */
	const char *details;
};
typedef void (*load_doubt_fn)(void *arg, const struct load_doubt *d);
void load_doubts(const struct settings *s, const struct ends *ends, int64_t now_s, load_doubt_fn fn, void *arg);

#endif
