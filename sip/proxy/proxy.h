#ifndef SIP_PROXY_PROXY_H
#define SIP_PROXY_PROXY_H

#include "sip/access/access.h"
#include "sip/proxy/record_route.h"
#include "sip/registrar/registrar.h"
#include "sip/identity/signer.h"
#include "sip/locate/resolver.h"

/*
 * The proxy (RFC 3261 16): stateful and forking, for requests to and from the users of the domain and for nobody else
 * (G16).
 *
 * - A request whose From is of the domain needs the digest of that user (407).
 * - A stranger reaches users of the domain only.
 * - A request in a dialog goes by the Record-Route token that the first request of the dialog left (record_route.h).
 * - Requests of users are signed on their way (RFC 4474 5); signed requests of strangers to users are verified (RFC
 *   4474 6).
 */
struct proxy;
struct verifier;
struct replay;

struct proxy_deps {
	struct loop *loop;
	struct tx_layer *transactions;
	struct transport *transport;
	struct resolver *resolver;
	struct registrar *registrar;
	struct access access;
	struct record_route_keys keys;
	struct signer *signer;
	unsigned signing_max; /* requests that are being signed at once; beyond it 503 */
	struct verifier *verifier;
	struct replay *replay; /* the one of the verifier */
};

/* proxy_new: deps are copied. proxy_free: nothing under way is answered; NULL is ignored. See server/site.c. */
struct proxy *proxy_new(const struct proxy_deps *deps);
void proxy_free(struct proxy *p);

/*
 * proxy_request: takes a request that goes elsewhere, and forwards or answers it: a Route leads on, it belongs to a
 * dialog, or its Request-URI is neither of our domain nor an address of ours. for_user: a request for a user of the
 * domain is taken as well. false: it is for this server itself; nothing was done.
 */
bool proxy_request(struct proxy *p, struct tx *tx, bool for_user);

/* proxy_ack: forwards the ACK to a 2xx by the same rules. Where a request would be answered, the ACK is dropped. */
void proxy_ack(struct proxy *p, const struct flow *source, struct sip_msg *ack);

/* proxy_cancel: CANCEL has come for the INVITE tx: all branches are cancelled, and it is answered, usually with 487. */
void proxy_cancel(struct proxy *p, struct tx *tx);

/*
 * proxy_forget: aor is no user any more, or has another password (T-48): what he has sent and what is for him, and
 * still waits (for a signature, a certificate, the DNS, a connection), goes nowhere. What has left is not called back.
 */
void proxy_forget(struct proxy *p, struct slice aor);

/* Counted since the start: requests signed here, verified, and found wrong. */
struct proxy_identities {
	unsigned long long signatures, verified, failed;
};
const struct proxy_identities *proxy_identities(const struct proxy *p);

/* proxy_count: requests under way, without ACKs. */
unsigned proxy_count(const struct proxy *p);

#endif
