#ifndef SIP_MESSAGE_LIMITS_H
#define SIP_MESSAGE_LIMITS_H

/*
 * Every size and count that a stranger chooses has a cap here or in the [limits] section of the configuration, and a
 * defined answer beyond it. These two together bound the memory of the process.
 */

#define SIP_MSG_MAX 65536          /* octets of one message unless limits.message says otherwise; beyond: 413 */
#define SIP_SKIP_MAX (4u << 20)    /* octets of an oversized body that a stream skips to stay usable; beyond: close */
#define SIP_HEADER_BLOCK_MAX 16384 /* start line to empty line: long Via lists; beyond: 400, a stream is closed */
#define SIP_HEADERS_MAX 128        /* header fields: RFC 4475's largest has 40; beyond: 400 */
#define SIP_HEADER_MAX 8192        /* octets of one header value: Identity of RSA-4096 is 700; beyond: 400 */
#define SIP_URI_MAX 1024           /* octets of a URI; beyond: 414 in the Request-URI, else 400 */
#define SIP_VIA_MAX 40             /* hops; Max-Forwards 70 is never spent on real paths; beyond: 400 */
#define SIP_ROUTE_MAX 20           /* entries of a route set; beyond: 400 */
#define SIP_PARAMS_MAX 32          /* parameters of one element; beyond: 400 */
#define SIP_AUTH_MAX 4             /* Authorization header fields; beyond: 400 (S-43) */
#define SIP_UDP_SAFE 1300          /* octets that may go over UDP, RFC 3261 18.1.1; beyond: TCP */
#define SIP_PARTS_MAX 8            /* parts of a multipart body; beyond: 400 */
#define SIP_MIME_DEPTH 2           /* nested multiparts; beyond: 400 */
#define SIP_DIALOG_MAX 4096        /* octets of From, To, Contact and routes that a subscription keeps; beyond: 400 */
#define SIP_CALLID_MAX 256         /* octets of a Call-ID, tag or branch that is remembered; beyond: 400 */
#define SIP_AOR_MAX 512            /* octets of a canonical AOR; beyond: 404 */
#define SIP_BINDING_MAX 2048       /* octets of URI, parameters, Path ... of one registered Contact; beyond: 413 */
#define SIP_CONTACTS_MAX 30 /* Contacts of a REGISTER, beyond: 400, and of an AOR: the 200 fits into a datagram */

/*
 * Octets of answers that are kept for retransmissions over UDP, for each of limits.transactions; the sum is one budget
 * for all (4 MiB by default: 8000 answers). Beyond it the oldest answers to non-INVITE requests are forgotten and new
 * answers to INVITE are not kept. A retransmission then counts as a new request.
 */
#define SIP_ANSWER_KEPT 64

#endif
