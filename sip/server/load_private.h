#ifndef SIP_SERVER_LOAD_PRIVATE_H
#define SIP_SERVER_LOAD_PRIVATE_H

#include "sip/server/load.h"

/* What the files of load.h share. false: one sentence was appended to *why, if there is one. */

/* load_file: reads a file of the configuration, if others cannot change it. secret: nor read it (G27). */
bool load_file(const struct config *c, const char *value, bool secret, struct buf *out, struct buf *why);

/*
 * load_rules: keys that depend on each other, or have a syntax of their own. load_listeners: one of the rules, and
 * load_listen_here, which depends on the machine: are all addresses there?
 */
bool load_rules(const struct config *c, struct buf *why);
void load_listeners(const struct config *c, struct buf *why);
bool load_listen_here(const struct config *c, struct buf *why);

/* load_key: PKCS#8, or one of the older forms that openssl writes. false: neither. */
bool load_key(struct slice pem, struct key **out);

/*
 * load_tls: the configuration for listeners (none without tls.certificate) and the one for connections that are made
 * here. The latter shows the first certificate to a server that asks for one (RFC 5922 7.4), so that two domains prove
 * themselves to each other. handshakes: the anchors of clients.
 */
bool load_tls(struct settings *s, struct trust *handshakes, unsigned slots, int64_t now, struct buf *why);

#endif
