#ifndef SIP_IDENTITY_WEB_H
#define SIP_IDENTITY_WEB_H

#include "sip/identity/domain_cert.h"
#include "sip/transport/stream.h"

/*
 * The certificate that Identity-Info names, by GET or HEAD over http and https (RFC 4474 9, RFC 2585 3). One request,
 * one answer, close. On the stream layer, since libevent 2.1 ends TLS with OpenSSL only and handshakes belong to
 * workers.
 */
struct web;

struct web *web_new(struct loop *l, const struct domain_certs *certs);
void web_free(struct web *w);

/* web_user: for stream_listen, with the struct web as arg. */
extern const struct stream_user web_user;

#endif
