#ifndef SIP_UA_FETCH_ONCE_H
#define SIP_UA_FETCH_ONCE_H

#include "core/buf.h"
#include "crypto/cert.h"

/*
 * fetch_once: GET of what Identity-Info names (sip/service/fetch.h), from any address, by a verb that does nothing else
 * meanwhile. trust: anchors for servers of https. Appends the object to body; false: *why is a clause. Takes FETCH_MS
 * at most.
 */
MUST_USE bool fetch_once(struct slice url, struct trust *trust, struct buf *body, struct buf *why);

#endif
