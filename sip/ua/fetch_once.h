#ifndef SIP_UA_FETCH_ONCE_H
#define SIP_UA_FETCH_ONCE_H

#include "core/buf.h"
#include "crypto/cert.h"
#include "sip/locate/reach.h"

/*
 * fetch_once: fetches what Identity-Info names (sip/identity/fetch.h), within reach, with a loop of its own: for a verb
 * that does nothing else meanwhile. trust: CAs for https. Appends the object to body. false: *why is a clause.
 * Takes at most FETCH_MS.
 */
MUST_USE bool fetch_once(struct slice url, struct trust *trust, const struct reach *reach, struct buf *body,
			 struct buf *why);

#endif
