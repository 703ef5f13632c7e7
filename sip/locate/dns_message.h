#ifndef SIP_LOCATE_DNS_MESSAGE_H
#define SIP_LOCATE_DNS_MESSAGE_H

#include "core/slice.h"

/*
 * DNS messages (RFC 1035 4): one question out, the records that answer it in. Pure functions on octets. Of an answer
 * only the chain from the question's name counts; what else a server adds is not looked at, so it cannot plant
 * addresses of other names.
 */
#define DNS_NAME_MAX 254     /* characters of a name with the NUL */
#define DNS_QUESTION_MAX 280 /* octets of a message with one question */
#define DNS_RECORDS_MAX 32   /* of an answer: of more, those of the best rank */
#define DNS_ALIASES_MAX 8    /* links of a chain of CNAMEs */

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_AAAA = 28, DNS_SRV = 33, DNS_NAPTR = 35 };

struct dns_record {
	uint16_t rank, weight;   /* SRV: priority and weight. NAPTR: order and preference */
	uint16_t port;           /* SRV */
	char flag;               /* NAPTR: the flag in lower case; '\0' when there is not exactly one */
	char service[16];        /* NAPTR, in upper case; "" when it is longer */
	char name[DNS_NAME_MAX]; /* SRV: target, NAPTR: replacement; lower case, "" for the root */
	uint8_t address[16];     /* A (4 octets), AAAA */
};

enum dns_found {
	DNS_RECORDS,   /* records of that type */
	DNS_NOTHING,   /* no such name, or no record of that type */
	DNS_ALIAS,     /* alias is another name for it, whose records are not here: to be asked for */
	DNS_FAILED,    /* the server says that it cannot or will not answer */
	DNS_TRUNCATED, /* to be asked again over TCP */
	DNS_BROKEN,    /* an answer to this question that does not follow its grammar */
	DNS_OTHER,     /* not an answer to this question */
	DNS_SILENT,    /* no server answered in time; dns_message_read does not say this */
};

struct dns_answer {
	uint32_t ttl_s; /* the least of the chain; for DNS_NOTHING that of the SOA (RFC 2308 5), or 0 without one */
	unsigned count;
	char alias[DNS_NAME_MAX];
	struct dns_record records[DNS_RECORDS_MAX];
};

/*
 * dns_message_question: the message that asks for records of that type at name, recursion desired; *n octets of out.
 * ERR_SYNTAX for what is no name of a host or service: labels of 1 to 63 letters, digits, "-" and "_"; a final dot is
 * allowed.
 */
MUST_USE enum err dns_message_question(uint16_t id, struct slice name, enum dns_type type,
				       uint8_t out[DNS_QUESTION_MAX], size_t *n);

/*
 * dns_message_read: message is all octets that came; question is what dns_message_question made. An answer has the same
 * ID and the same question (RFC 5452 9.1), the name without case; all else is DNS_OTHER. *out is complete for
 * DNS_RECORDS, DNS_NOTHING and DNS_ALIAS. Records whose data cannot be used are passed over.
 */
enum dns_found dns_message_read(struct slice message, struct slice question, struct dns_answer *out);

#endif
