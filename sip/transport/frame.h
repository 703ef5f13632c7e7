#ifndef SIP_TRANSPORT_FRAME_H
#define SIP_TRANSPORT_FRAME_H

#include "core/slice.h"

/*
 * Finding messages in an octet stream, RFC 3261 18.3, RFC 5626 3.5.1. Resumable: octets that were looked at for the end
 * of the header block are not looked at again, however small the pieces in which they come.
 */
struct frame {
	size_t scanned; /* octets of the current message known not to hold the end of its header block */
	size_t total;   /* octets of the current message once its header block is read, else 0 */
};

enum frame_found {
	FRAME_MORE,    /* wait for octets */
	FRAME_MESSAGE, /* *n octets are one message */
	FRAME_PING,    /* *n octets are CR LF CR LF: answer with CR LF */
	FRAME_BLANK,   /* *n octets are line ends before a message: drop them */
	FRAME_LARGE,   /* *n octets are the head of a message whose body of *body octets is too long: answer 413, skip
			  both */
	FRAME_BAD,     /* *n octets are a head without a usable Content-Length, or 0: SIP_HEADER_BLOCK_MAX octets are
			  no whole head; close */
};

/*
 * frame_next: looks at all octets that are buffered since the last message was taken away. max: octets of a message.
 * *body is set for FRAME_LARGE only. After anything but FRAME_MORE the frame is ready for the next message.
 */
enum frame_found frame_next(struct frame *f, struct slice buffered, size_t max, size_t *n, uint64_t *body);

#endif
