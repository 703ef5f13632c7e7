#ifndef SIP_PROXY_PROXY_H
#define SIP_PROXY_PROXY_H

#include "sip/access/access.h"
#include "sip/proxy/record_route.h"
#include "sip/registrar/registrar.h"
#include "sip/identity/signer.h"
#include "sip/locate/resolver.h"

/*
 * The proxy, RFC 3261 16: stateful, forking, for requests to and from the users of the domain and for nobody else. Who
 * says in From that he is of the domain proves it (407); strangers reach local users only; requests in a dialog go by
 * what the Record-Route of its first request says (record_route.h). What users of the domain send is signed on its way
 * (RFC 4474 5), what strangers send to them is verified (6).
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
	unsigned signing_max; /* requests at once; more is answered 503 */
	struct verifier *verifier;
	struct replay *replay; /* the verifier's */
};

struct proxy *proxy_new(const struct proxy_deps *deps); /* kept by value */
void proxy_free(struct proxy *p);                       /* before the transactions, which it forgets */

/*
 * proxy_request: forwards the request or answers it, when it is on its way to somewhere else: by its Route, or because
 * its Request-URI is neither of our domain nor an address of ours. for_user: also when it is for a user of ours. false:
 * it is for this server itself, and nothing was done.
 */
bool proxy_request(struct proxy *p, struct tx *tx, bool for_user);

/* proxy_ack: the ACK to a 2xx, by the same rules. It is dropped where a request would be answered. */
void proxy_ack(struct proxy *p, const struct flow *source, struct sip_msg *ack);

/* proxy_cancel: this INVITE is not wanted any more. */
void proxy_cancel(struct proxy *p, struct tx *tx);

/* What was done about Identity since the start. */
struct proxy_identities {
	unsigned long long signatures, verified, failed;
};
const struct proxy_identities *proxy_identities(const struct proxy *p);

unsigned proxy_count(const struct proxy *p); /* requests under way */

#endif
