#ifndef SIP_UA_CAPTURE_H
#define SIP_UA_CAPTURE_H

#include "sip/message/msg.h"
#include "sip/ua/command.h"

/*
 * A SIP request saved in a file, octet for octet. Three repairs are made, and told to the user:
 *
 * - A head whose lines all end in LF, as editors leave it, gets CR LF. No signed part has a line end inside (RFC 4474
 *   9).
 * - The empty line behind the header fields is added when it is missing.
 * - Empty lines in front of the request are dropped (RFC 3261 7.5).
 *
 * The body stays as it is, because its line ends are signed.
 */
struct capture {
	const char *name; /* for messages: the file, or "standard input" */
	struct buf octets;
	struct sip_msg *m;
	struct slice tail; /* in octets: what follows the body that Content-Length names; may be empty */
};

/*
 * capture_read: file "-" is standard input. false: *code is the exit code, and the user was told. capture_free: in
 * either case.
 */
MUST_USE bool capture_read(const struct command *c, const char *file, struct capture *out, int *code);
void capture_free(struct capture *in);

/* capture_time: the time of --at (RFC 3339 in UTC, or seconds since 1970), otherwise the clock. false: as above. */
MUST_USE bool capture_time(const struct command *c, int64_t *now, int *code);

#endif
