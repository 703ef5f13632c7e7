#ifndef SIP_MESSAGE_DIGEST_STRING_H
#define SIP_MESSAGE_DIGEST_STRING_H

#include "sip/message/date.h"
#include "sip/message/msg.h"

/*
 * The digest-string of RFC 4474 section 9, over the octets as they stand in the message, with "|" between its fields:
 *
 *   addr-spec of From | addr-spec of To | Call-ID | "digits Method" | SIP-date | addr-spec of Contact or nothing | body
 */
#define DIGEST_STRING_PARTS 13

struct digest_string {
	struct slice parts[DIGEST_STRING_PARTS]; /* hashed in this order; in the message or in this struct */
	char cseq[64];
	char date[DATE_SIZE];
	int64_t date_s; /* the Date header, seconds since 1970 */
};

/*
 * digest_string: fills out, which must stay where it is while parts are used. ERR_NOTFOUND: no Date. ERR_SYNTAX: From,
 * To, Date or Contact cannot be read, there are several Contacts, or a part before the body has a "|" or a control
 * character. Such a character would let two different messages have the same string, so that a signature of one would
 * fit the other.
 */
MUST_USE enum err digest_string(const struct sip_msg *m, struct digest_string *out);

/* digest_string_fault: why m has no digest-string, as a clause (static); NULL when it has one. */
const char *digest_string_fault(const struct sip_msg *m);

#endif
