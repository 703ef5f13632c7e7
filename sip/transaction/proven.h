#ifndef SIP_TRANSACTION_PROVEN_H
#define SIP_TRANSACTION_PROVEN_H

#include "core/loop.h"
#include "sip/transport/peer.h"

/*
 * Addresses whose datagrams do come from them: somebody there has answered what was sent there. To any other address
 * little is sent over UDP, because it may be the victim of who wrote it (G14): nothing on a timer, and no answer of
 * ours that is more than twice as long as the request. Remembered for an hour; over PROVEN_MAX the oldest are
 * forgotten.
 */
struct proven;

#define PROVEN_MAX 16384

struct proven *proven_new(struct loop *l);
void proven_free(struct proven *p);
void proven_add(struct proven *p, const struct peer *at);
bool proven_has(const struct proven *p, const struct peer *at);

#endif
