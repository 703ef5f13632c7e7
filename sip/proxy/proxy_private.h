#ifndef SIP_PROXY_PROXY_PRIVATE_H
#define SIP_PROXY_PROXY_PRIVATE_H

#include "core/group.h"
#include "core/map.h"
#include "sip/proxy/dialogs.h"
#include "sip/proxy/passage.h"
#include "sip/proxy/proxy.h"

/*
 * Shared by the files of this room; private to it. proxy.c: what may go where. itinerary.c: Route. targets.c: users.
 * vetting.c: Identity. fork.c: response contexts (RFC 3261 16.7). branch.c: one target of a request and its hops.
 * outgoing.c: what is sent. dialogs.c: what is remembered.
 *
 * The way of a request:
 *
 *   take -> route -> fork_new, fork_add ... -> vetting_start -> (signer or verifier) -> fork_go -> branch_start
 */

#define BRANCHES_MAX 20   /* targets of one request; further contacts are not tried */
#define MAX_FORWARDS 70   /* RFC 3261 16.6 */
#define MAX_BREADTH 60    /* RFC 5393 5.3: branches of one request, also those that proxies behind us make */
#define TIMER_C_MS 181000 /* RFC 3261 16.6 11: more than three minutes */

/* The states of a branch; see branch.c. */
enum branch_state {
	BRANCH_WAITS,     /* targets with a higher q are tried first */
	BRANCH_RESOLVING, /* the resolver looks for its hops */
	BRANCH_SENT,      /* at a hop; the client transaction is tx */
	BRANCH_LEFT,      /* the same, but nobody waits for it: only a 2xx, which may come late, still counts */
	BRANCH_DONE       /* it has its final response, or was given up */
};

/* One target of a request, with the hops that lead there, one tried after another (RFC 3263 4.3). */
struct branch {
	struct fork *fork;
	enum branch_state state;
	char *uri;                /* its Request-URI; NULL: that of the request */
	char *routes;             /* values of its Route header field; NULL: none */
	char *next;               /* the URI that the resolver is asked for, when no flow is given */
	struct flow flow;         /* where it goes, or went last; valid with has_flow, and as address with by_address */
	bool has_flow, flow_only; /* flow_only: when the flow is gone, no URI is tried (RFC 5626 5.3) */
	bool by_address;          /* goes to the remote address of flow, by any connection */
	bool to_user;             /* the target is a binding of a user: a failure says nothing of other servers */
	unsigned q, breadth;      /* q: see add_branch in targets.c; breadth: its share of Max-Breadth */
	unsigned ua;              /* number of the UA, the same for all its flows (RFC 5626); 0: not a binding */
	struct flow seen;         /* by which the Contact was registered: when uri leads nowhere; family 0: none */
	struct hops *hops;        /* hops to try, in their order; NULL: none yet */
	unsigned hop;             /* index of the next one */
	uint64_t tx;              /* the client transaction, 0: none yet */
	bool heard;               /* this hop has answered something */
	bool cancelled;           /* no further hop is tried */
	bool short_ring;          /* timer runs for fork_ring_ms, not as Timer C */
	struct timer *timer;      /* INVITE only: Timer C or the short ring time */
	uint8_t dialog[RECORD_ROUTE_ID]; /* of the token that the request went with */
	bool recorded;                   /* it went with one */
};

/*
 * A response context (RFC 3261 16.7): one request, its branches, and the best response so far. Other rooms and workers
 * name it by own, and find that it is gone when it was ended meanwhile.
 */
struct fork {
	struct proxy *proxy;
	struct map_node node; /* in proxy->forks, key: id */
	uint64_t id;          /* of the server transaction; an ACK has none: 0, and not in the table */
	uint64_t own;         /* of this object, for the resolver, signer and verifier; never used again */
	struct map_node by_own;
	struct group_node by_call;       /* key: Call-ID */
	struct sip_msg *request;         /* what is forwarded; one reference; changed by fork_set_request only */
	struct flow source;              /* the flow that it came by */
	bool caller_local;               /* the sender is a user of ours */
	bool vouched;                    /* From is proven, by digest or by Identity */
	bool proven;                     /* From is proven by digest of this request */
	uint64_t secret;                 /* the generation of the user who has proven that it is his; 0: nobody has */
	bool comes_back;                 /* we have signed this request before, and another domain has sent it back */
	bool to_local;                   /* its targets are users of ours */
	bool cancelled, answered, over;  /* answered: a final response was passed or made; over: fork_end was called */
	bool by_timer;                   /* the last thing that happened is that nothing happened */
	uint8_t dialog[RECORD_ROUTE_ID]; /* that the request is of; with in_dialog */
	bool in_dialog;
	bool to_caller; /* in_dialog: to the other domain, or whoever it was, that began the dialog */
	/*
	 * Of a NOTIFY of a subscription: the token that it came by. It may make a dialog of its own, when its SUBSCRIBE
	 * was forked, and then has to record the route of that (RFC 6665 4.3). NULL: anything else.
	 */
	char *token;
	bool notifier_local, subscriber_local; /* with token */
	unsigned max_breadth;                  /* Max-Breadth, at most MAX_BREADTH */
	unsigned best_code;                    /* status of the best failure so far; 0: none */
	struct sip_msg *best;                  /* its response, one reference; NULL: made here */
	struct buf challenges;                 /* challenges of 401 and 407 besides those in best */
	struct timer *linger;                  /* runs after a 2xx to INVITE, while later 2xx are passed */
	unsigned count, room;
	struct branch branches[]; /* room of them */
};

struct proxy {
	struct proxy_deps d;
	struct map forks, by_own; /* by id, by own */
	struct dialogs *dialogs;
	struct groups by_call; /* forks by Call-ID */
	uint64_t next;         /* the last own that was given */
	unsigned signing;      /* requests that are with the signer */
	struct proxy_identities identities;
};

/* proxy_dialog_ms: proxy.dialog-max. */
int64_t proxy_dialog_ms(const struct proxy *p);

/* Where a request goes by its Route and Request-URI, when our own entries are taken off (RFC 3261 16.4, 16.6 6). */
struct itinerary {
	struct buf routes;     /* the values of Route that remain */
	struct buf uri;        /* the new Request-URI; empty: as it came */
	struct buf next;       /* the URI that the resolver is asked for */
	bool routed;           /* routes is not empty */
	bool in_dialog;        /* it has a token of record_route.h that fits */
	struct dialog_way way; /* what the token says; with in_dialog */
	struct buf token;      /* the token; with in_dialog */
};

/*
 * itinerary.c. itinerary_read: reads Route of m, which came by source. false: *why is a reason phrase for 400.
 * itinerary_drop: in either case. itinerary_is_own_uri: is u of our domain, or another name of it: server.alias, an
 * address that we listen on at the local end of source? itinerary_is_of_domain: is u of our domain?
 */
bool itinerary_read(const struct proxy *p, const struct sip_msg *m, const struct flow *source, struct itinerary *out,
		    const char **why);
void itinerary_drop(struct itinerary *it);
bool itinerary_is_own_uri(const struct proxy *p, const struct uri *u, const struct flow *source);
bool itinerary_is_of_domain(const struct proxy *p, const struct uri *u);
bool itinerary_is_aor(const struct uri *u, struct slice aor);

/*
 * itinerary_mark: appends the part of our branch parameter that tells a loop from a spiral (RFC 5393 4.2.2).
 * itinerary_is_loop: has a Via of m the mark that m would get?
 */
void itinerary_mark(const struct proxy *p, const struct sip_msg *m, struct buf *out);
bool itinerary_is_loop(const struct proxy *p, const struct sip_msg *m);

/* itinerary_now: what record_route.h wants to know of m. */
struct dialog_now itinerary_now(const struct proxy *p, const struct sip_msg *m);

/*
 * sender.c. sender_is_readable: is From a URI that says who sends: sip, sips or tel? sender_claims: does it name a user
 * of ours, in whatever reading, or somebody of the domain? *as gets it by the name of the domain. By another name of it
 * only who is a user is meant: gateways write our address behind any number that calls. sender_secret: the secret
 * generation of that user; 0: there is none.
 */
bool sender_is_readable(const struct sip_msg *m);
bool sender_claims(const struct proxy *p, const struct sip_msg *m, const struct flow *source, struct uri *as);
uint64_t sender_secret(const struct proxy *p, const struct sip_msg *m, const struct flow *source);

/*
 * vetting.c. vetting_start: what RFC 4474 asks for before a request may go on; ends in fork_go, or answers the request.
 * f may be gone afterwards. vetting_comes_back: did we sign m, and does another domain send it back to a user of ours?
 */
void vetting_start(struct fork *f);
bool vetting_comes_back(const struct proxy *p, const struct sip_msg *m);

/*
 * fork.c. fork_new: takes a reference of m. tx NULL: m is an ACK. room: for how many branches, at most BRANCHES_MAX.
 * fork_add: a branch with these texts, which are copied; NULL: no room. fork_find: NULL: it is over.
 */
struct fork *fork_new(struct proxy *p, struct tx *tx, struct sip_msg *m, const struct flow *source, unsigned room);
struct branch *fork_add(struct fork *f, struct slice uri, struct slice routes, struct slice next);
struct fork *fork_find(const struct proxy *p, uint64_t own);

/* fork_set_request: m is forwarded from now on, in place of the request that came. Takes over the reference. */
void fork_set_request(struct fork *f, struct sip_msg *m);

/* fork_of_call, fork_next_of_call: requests under way with this Call-ID, the oldest first; NULL: no more. */
struct fork *fork_of_call(const struct proxy *p, struct slice call_id);
struct fork *fork_next_of_call(const struct fork *f);

/*
 * fork_passage: what passes in this direction; from_user: its sender is a user of ours. fork_assertion: appends the
 * P-Asserted-Identity line (RFC 3325) that tells a user of ours who calls, if that is known and may be told.
 */
struct passage fork_passage(const struct fork *f, bool from_user);
void fork_assertion(const struct fork *f, struct buf *line);

/*
 * fork_go: starts the branches with the highest q. fork_cancel: cancels all. fork_end: forgets the request without an
 * answer. f may be gone afterwards. fork_ring_ms: how long b may ring before branches with a lower q are tried; 0:
 * until Timer C.
 */
void fork_go(struct fork *f);
void fork_cancel(struct fork *f, struct slice reason);
uint32_t fork_ring_ms(const struct branch *b);
void fork_end(struct fork *f);

/*
 * What a branch reports: a provisional response, a 2xx, or its end without success. fork_failure: m NULL: the response
 * is made here, with this code. The fork may be gone afterwards, and b with it.
 */
void fork_provisional(struct branch *b, struct sip_msg *m);
void fork_success(struct branch *b, struct sip_msg *m);
void fork_failure(struct branch *b, unsigned code, struct sip_msg *m);

/* fork_rang_out: its time is over: it is cancelled, and counts as a 408 from now on. The fork may be gone afterwards.
 */
void fork_rang_out(struct branch *b);

/*
 * branch.c. branch_start: sends it, or reports its failure. branch_cancel: no response is wanted from it any more.
 * branch_drop: frees what it owns.
 */
void branch_start(struct branch *b);
void branch_cancel(struct branch *b, struct slice reason);
void branch_drop(struct branch *b);

/* Where a user can be reached; texts as those of struct contact. */
struct targets {
	unsigned count;
	struct contact at[BRANCHES_MAX];
};

/*
 * targets.c. targets_of: all contacts of the user aor, best first; sips: of a sips URI only sips ones. false: he is not
 * known here. targets_keep: keeps the one whose URI this is; of two, as phones with one private address have them, the
 * one at this flow, unless it is NULL. false: there is none. targets_add: adds a branch for each, in the room that f
 * has.
 */
MUST_USE bool targets_of(const struct proxy *p, const struct uri *aor, struct targets *out);
MUST_USE bool targets_keep(struct targets *t, struct slice uri, const struct flow *flow);
void targets_add(struct fork *f, const struct targets *t);

/*
 * outgoing.c. outgoing_make: appends the request for b->flow, and sets b->dialog; id: the branch parameter behind the
 * magic cookie, which ends in OUTGOING_RANDOM random characters. ERR_LIMIT: it has too many header fields.
 * outgoing_is_large: RFC 3261 18.1.1: will it be too large for UDP?
 */
#define OUTGOING_RANDOM 16
MUST_USE enum err outgoing_make(struct branch *b, struct slice id, struct buf *out);
bool outgoing_is_large(const struct branch *b);

#endif
