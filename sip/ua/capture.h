#ifndef SIP_UA_CAPTURE_H
#define SIP_UA_CAPTURE_H

#include "sip/message/msg.h"
#include "sip/ua/command.h"

/*
 * A request that somebody has saved in a file, octet for octet. A head whose lines all end in LF, as editors leave it,
 * gets CR LF, which is told: RFC 4474 signs parts of header fields, none of which has a line end in it. The body stays
 * as it is, since its line ends are signed. An empty line that is missing at the end of the file is added, which is
 * told as well; empty lines before the request are passed over (RFC 3261 7.5).
 */
struct capture {
	const char *name; /* for people: the file, or "standard input" */
	struct buf octets;
	struct sip_msg *m;
	struct slice tail; /* of octets: what stands behind the body that Content-Length names; may be empty */
};

/* capture_read: file "-" is stdin. false: *code is the exit code, all is said. capture_free: also after a failure. */
MUST_USE bool capture_read(const struct command *c, const char *file, struct capture *out, int *code);
void capture_free(struct capture *in);

/* capture_time: what --at says (RFC 3339 in UTC, or seconds since 1970), else the clock. false: as above. */
MUST_USE bool capture_time(const struct command *c, int64_t *now, int *code);

#endif
