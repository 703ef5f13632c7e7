#ifndef SIP_TRANSPORT_FRAME_H
#define SIP_TRANSPORT_FRAME_H

#include "core/slice.h"

/*
 * Finds messages in a stream of octets, RFC 3261 18.3 and RFC 5626 3.5.1. Resumable: octets that were searched for the
 * end of the header block are not searched again, so that a peer which sends single octets costs no more than others.
 */
struct frame {
	size_t scanned; /* octets of the current message that do not hold the end of its header block */
	size_t total;   /* octets of the current message once its header block is read, else 0 */
};

enum frame_found {
	FRAME_MORE,    /* wait for octets */
	FRAME_MESSAGE, /* *n octets are one message */
	FRAME_PING,    /* *n octets are CR LF CR LF: answer with CR LF */
	FRAME_BLANK,   /* *n octets are line ends before a message: drop them */
	FRAME_LARGE,   /* *n octets are a head whose body of *body octets is too long: answer 413, skip both */
	FRAME_BAD,     /* *n octets are a head without a usable Content-Length, or 0: no head ends in time; close */
	FRAME_LINES,   /* *n octets are a head with a CR or LF that ends no line; close */
};

/*
 * frame_next: looks at buffered, which holds all octets since the last ones that were taken. max: octets that a message
 * may have. *body is set for FRAME_LARGE only. After any result but FRAME_MORE take *n octets off; the frame is ready
 * for the next message.
 */
enum frame_found frame_next(struct frame *f, struct slice buffered, size_t max, size_t *n, uint64_t *body);

#endif
