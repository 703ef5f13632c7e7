#ifndef SIP_IDENTITY_WEB_H
#define SIP_IDENTITY_WEB_H

#include "sip/identity/domain_cert.h"
#include "sip/transport/stream.h"

/*
 * The web server that has the certificate named by Identity-Info, and nothing else: GET or HEAD over http and https
 * (RFC 4474 9, RFC 2585 3, AUT-16). One request, one answer, close. It is built on the stream layer, because libevent
 * 2.1 does TLS with OpenSSL only, and handshakes belong to workers.
 */
struct web;

/* web_new: certs is borrowed until web_free, which ignores NULL. */
struct web *web_new(struct loop *l, const struct domain_certs *certs);
void web_free(struct web *w);

/* web_user: for stream_listen, with the struct web as arg. */
extern const struct stream_user web_user;

#endif
