#ifndef SIP_MESSAGE_DIGEST_STRING_H
#define SIP_MESSAGE_DIGEST_STRING_H

#include "sip/message/date.h"
#include "sip/message/msg.h"

/*
 * The digest-string of RFC 4474 section 9: addr-spec of From | addr-spec of To | Call-ID | "digits Method" | SIP-date |
 * addr-spec of Contact or nothing | body, with "|" between them, over the octets as they stand in the message.
 */
#define DIGEST_STRING_PARTS 13

struct digest_string {
	struct slice
		parts[DIGEST_STRING_PARTS]; /* to be hashed one after the other; they point into the message and here */
	char cseq[64];
	char date[DATE_SIZE];
	int64_t date_s; /* the Date header, seconds since 1970 */
};

/*
 * digest_string: fills out, which stays where it is while parts are used. ERR_NOTFOUND: no Date. ERR_SYNTAX: From, To,
 * Date or Contact cannot be read, several Contacts, or a "|" or control character in a part before the body, which
 * would let two different messages have one string.
 */
MUST_USE enum err digest_string(const struct sip_msg *m, struct digest_string *out);

/* digest_string_fault: why there is none of m, a clause (static); NULL: there is one. */
const char *digest_string_fault(const struct sip_msg *m);

#endif
