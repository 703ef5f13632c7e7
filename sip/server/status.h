#ifndef SIP_SERVER_STATUS_H
#define SIP_SERVER_STATUS_H

#include "sip/server/serve.h"

/*
 * status_write: appends what the running server has: version, start, listeners, certificates with the days that they
 * have left, counts, credentials (fingerprints only, DEP-08) and registered Contacts. The text is for people and may
 * change; json: one object, for programs. subscriptions: also who watches what, which may be long.
 */
void status_write(struct serve *s, bool json, bool subscriptions, struct buf *out);

#endif
