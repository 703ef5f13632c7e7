#ifndef TESTS_SCENARIO_WORLD_H
#define TESTS_SCENARIO_WORLD_H

#include "crypto/cert.h"
#include "sip/server/site.h"
#include "tests/fake/fake.h"

/*
 * The whole server of example.com above the fakes, its store in a folder of its own, and the clients of a test. Users:
 * alice and bob, passwords "alice-pw" and "bob-pw". Programs run in the root of the repository.
 */
struct letter;

struct world {
	struct loop *loop;
	struct settings settings; /* a test may change them; settings.trust has the anchors of domain certificates */
	struct domain_certs *certs;
	struct site *site;
	char dir[64];
	int dirfd;
	struct key *user_key; /* EC; of all certificates of users */
	struct buf pkcs8;     /* the same, DER */
	struct letter *inbox; /* what came from the server and was not looked at */
	unsigned roll_overs;
	unsigned calls; /* counts Call-IDs and branches */
};

/* Where requests to two.example go, one after the other; to tcp.example first by a connection, then to the second. */
#define WORLD_TCP_HOP "tcp:192.0.2.72:5060"
#define WORLD_FIRST_HOP "udp:192.0.2.70:5060"
#define WORLD_SECOND_HOP "udp:192.0.2.71:5060"

/* world_new: options as "section.key=value", NULL at the end, or NULL. world_free also removes the folder. */
struct world *world_new(const char *const *options);
void world_free(struct world *w);

/* world_restart: the server ends and starts again on its store; all connections are gone. */
void world_restart(struct world *w);

/* world_roll_over: the domain has a new certificate. */
void world_roll_over(struct world *w);

/* world_break_store: writing files fails from now on, or works again. */
void world_break_store(bool broken);

/* world_cert: a new certificate (DER) of that user until not_after_s; buf_free it. */
struct buf world_cert(struct world *w, const char *user, int64_t not_after_s);

/* world_take: the oldest message to this Call-ID that was not looked at, or NULL; msg_unref it. */
struct sip_msg *world_take(struct world *w, const char *call_id, struct flow *to);

/* A request of a client, and how it is authenticated. */
struct ask {
	const char *method, *uri, *to; /* to: value of To; NULL: <uri> */
	const char *from;              /* value of From; NULL: somebody else's */
	const char *call_id;           /* NULL: a new one */
	const char *headers;           /* further lines, each with CR LF, or NULL */
	struct slice body;
	unsigned cseq;             /* 0: 1 */
	const char *authorization; /* value, or NULL */
	bool old_via;              /* without rport */
};

/* world_ask: sends it and returns the answer, or NULL when none came yet. */
struct sip_msg *world_ask(struct world *w, const struct flow *from, const struct ask *a);

/* Makes a request as long as phones do: over UDP a stranger gets no more than twice of what he has sent (G14). */
#define PHONE_LINES \
	"User-Agent: a phone of the scenarios, as long in its name as many, 1.2.3\r\n" \
	"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, MESSAGE\r\n"

/* Digest from the client's side, RFC 7616 3.4. */
struct answer {
	const char *user, *password, *method, *uri;
	char nonce[160], realm[64];
	bool md5;
	unsigned nc;
};

/* answer_read: the nonce for SHA-256 (or MD5) out of a 401; false when there is none. answer_make: the value. */
bool answer_read(struct answer *a, const struct sip_msg *challenge);
void answer_make(const struct answer *a, struct buf *out);

/* world_ask_as: world_ask twice: challenged, then with user's answer. "anonymous" has no password. */
struct sip_msg *world_ask_as(struct world *w, const struct flow *from, const char *user, struct ask a);

/* A PUBLISH of user; empty cert and key: no body. NULL headers are left out. */
struct publish {
	const char *user;
	struct slice cert, key;
	const char *if_match;
	const char *expires;
};
struct sip_msg *world_publish(struct world *w, const struct flow *from, const struct publish *p);

/* world_set: publishes a new certificate of user with the user's key, valid for so many seconds; its entity-tag. */
void world_set(struct world *w, const struct flow *from, const char *user, int64_t valid_s, char etag[64]);

/* world_revoke: PUBLISH without body; must be 200. */
void world_revoke(struct world *w, const struct flow *from, const char *user);

/* A subscriber. */
struct watcher {
	struct world *w;
	struct flow flow;
	const char *user;  /* whose state */
	const char *event; /* certificate or credential */
	char call_id[32], to[128];
	struct flow back;  /* the way the last NOTIFY came */
	unsigned cseq;     /* of the last SUBSCRIBE */
	unsigned notified; /* CSeq of the last NOTIFY, 0: none yet */
	unsigned granted;  /* Expires of the last 200 */
};

/* watch: subscribes (expires NULL: no header); the status of the answer. Again in the same dialog: a refresh. */
unsigned watch(struct watcher *s, const char *expires);
struct watcher watcher_of(struct world *w, const struct flow *flow, const char *user, const char *event);

/* notified: the next NOTIFY to s, whose CSeq must be one higher than the last, or NULL. Not answered yet. */
struct sip_msg *notified(struct watcher *s);

/* respond: the watcher's answer to a NOTIFY, which is unreferenced. notified_ok: notified, answered 200; a reference.
 */
void respond(struct watcher *s, struct sip_msg *notify, unsigned code);
struct sip_msg *notified_ok(struct watcher *s);

/* has: does the header's value begin so? body_has: are the octets in the body? */
bool has(const struct sip_msg *m, enum header h, const char *start);
bool body_has(const struct sip_msg *m, struct slice octets);

#endif
