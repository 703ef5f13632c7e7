#ifndef SIP_PROXY_PROXY_PRIVATE_H
#define SIP_PROXY_PROXY_PRIVATE_H

#include "core/map.h"
#include "sip/proxy/proxy.h"

/*
 * What proxy.c (who may go where), itinerary.c (Route), vetting.c (Identity), fork.c (response contexts, RFC 3261 16.7)
 * and branch.c (one way of a request) share. Nobody else includes this.
 */

#define BRANCHES_MAX 20   /* of one request; contacts beyond are not tried */
#define MAX_FORWARDS 70   /* RFC 3261 16.6 */
#define MAX_BREADTH 60    /* RFC 5393 5.3 */
#define TIMER_C_MS 181000 /* RFC 3261 16.6: more than three minutes */

enum branch_state {
	BRANCH_WAITS,     /* for better ones to fail */
	BRANCH_RESOLVING, /* where it goes is not known yet */
	BRANCH_SENT,
	BRANCH_DONE
};

struct branch {
	struct fork *fork;
	enum branch_state state;
	char *uri;        /* Request-URI; NULL: as it came */
	char *routes;     /* values of Route; NULL: none */
	char *next;       /* the URI that decides where it goes, when no flow does */
	struct flow flow; /* the way it goes or went, when has_flow */
	bool has_flow, flow_only;
	bool by_address; /* any flow to the remote address of flow will do */
	bool to_user;    /* a binding: what it fails with says nothing of other servers */
	unsigned q, breadth;
	unsigned ua;       /* the same in all flows of one UA (RFC 5626); 0: not by a binding */
	struct hops *hops; /* what is tried one after another, or NULL */
	unsigned hop;
	uint64_t tx;         /* client transaction */
	bool heard;          /* a provisional response */
	bool cancelled;      /* nobody waits for it any more: no other hop is tried */
	bool short_ring;     /* the timer is not Timer C but fork_ring_ms */
	bool rung_out;       /* that is over */
	struct timer *timer; /* Timer C, of INVITE */
};

struct fork {
	struct proxy *proxy;
	struct map_node node; /* in proxy->forks, key: id */
	uint64_t id;          /* of the server transaction; of an ACK: 0, and not in the table */
	uint64_t own;         /* of this object, for who waits for the resolver; never used again */
	struct map_node by_own;
	struct map_node by_call; /* key: call_id of request */
	struct sip_msg *request; /* set by fork_set_request only */
	struct flow source;
	bool caller_local; /* the sender is an end of ours */
	bool vouched;      /* From is proven: by digest, or by Identity */
	bool proven;       /* this request has the digest of the user of its From */
	bool comes_back;   /* what we have signed, by way of another domain */
	bool to_local;     /* it goes to users of ours */
	bool cancelled, answered, over;
	unsigned max_breadth;
	unsigned best_code;    /* what would be answered now; 0: nothing yet */
	struct sip_msg *best;  /* NULL: made here */
	struct buf challenges; /* header lines of 401 and 407 other than best's */
	struct timer *linger;  /* 2xx to INVITE: later ones are passed for a while */
	unsigned count, room;
	struct branch branches[]; /* room for as many as were announced */
};

struct proxy {
	struct proxy_deps d;
	struct map forks, by_own, by_call;
	uint64_t next;
	unsigned signing; /* requests under way */
	struct proxy_identities identities;
};

/* What Route and Request-URI of a request say once our own entries are taken off. */
struct itinerary {
	struct buf routes; /* values of Route that remain */
	struct buf uri;    /* the Request-URI, when it is another than what came */
	struct buf next;   /* the URI that decides where it goes */
	bool routed;       /* Routes remain */
	bool in_dialog;
	struct dialog_way way; /* in_dialog */
};

/* itinerary.c. false: *why is a reason phrase for 400. itinerary_drop in any case. */
bool itinerary_read(const struct proxy *p, const struct sip_msg *m, const struct flow *source, struct itinerary *out,
		    const char **why);
void itinerary_drop(struct itinerary *it);
bool itinerary_is_own_uri(const struct proxy *p, const struct uri *u,
			  const struct flow *source); /* domain, or address of ours */

bool itinerary_is_of_domain(const struct proxy *p, const struct uri *u); /* domain alone */

/* vetting.c: what RFC 4474 asks before a request goes on, by fork_go; or it is answered here. f may be gone afterwards.
 */
void vetting_start(struct fork *f);
bool vetting_comes_back(const struct proxy *p, const struct sip_msg *m); /* is it what we have signed, on its way? */

/* fork.c. room: of how many branches, at most BRANCHES_MAX. */
struct fork *fork_new(struct proxy *p, struct tx *tx, struct sip_msg *m, const struct flow *source, unsigned room);
struct branch *fork_add(struct fork *f, struct slice uri, struct slice routes, struct slice next);
struct fork *fork_find(const struct proxy *p, uint64_t own); /* NULL: it is over */

/* fork_set_request: m, whose reference is taken, goes out from now on in place of what came. */
void fork_set_request(struct fork *f, struct sip_msg *m);

/* fork_of_call, fork_next_of_call: the requests under way with this Call-ID, the newest first. NULL: no more. */
struct fork *fork_of_call(const struct proxy *p, struct slice call_id);
struct fork *fork_next_of_call(const struct fork *f);

/* fork_mark: appends the part of our branch that tells a loop from a spiral. fork_is_loop: has it been here (RFC 5393)?
 */
void fork_mark(const struct fork *f, struct buf *out);
bool fork_is_loop(const struct fork *f);

/* fork_asserts: is P-Asserted-Identity ours to say to the receiver, and what: appends the line, if any (RFC 3325). */
bool fork_asserts(const struct fork *f, struct buf *line);

void fork_go(struct fork *f); /* the first group; f may be gone afterwards */
void fork_cancel(struct fork *f);
uint32_t fork_ring_ms(const struct branch *b); /* how long it may ring; 0: until Timer C */
void fork_end(struct fork *f);
void fork_provisional(struct branch *b, struct sip_msg *m);
void fork_success(struct branch *b, struct sip_msg *m);
/* A branch has come to its end without success; m NULL: with this code, made here. */
void fork_failure(struct branch *b, unsigned code, struct sip_msg *m);

/* branch.c */
void branch_start(struct branch *b);
void branch_cancel(struct branch *b);
void branch_drop(struct branch *b); /* frees what it owns */

#endif
