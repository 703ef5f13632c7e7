#ifndef SIP_LOCATE_DNS_MESSAGE_H
#define SIP_LOCATE_DNS_MESSAGE_H

#include "core/slice.h"

/*
 * DNS messages (RFC 1035 4): one question is written, the records that answer it are read. Pure functions on octets.
 * Only the chain of records that begins at the name of the question counts. Whatever else a server adds is not looked
 * at, so it cannot plant addresses of other names.
 */
#define DNS_NAME_MAX 254     /* characters of a name with the NUL */
#define DNS_QUESTION_MAX 280 /* octets of a message with one question */
#define DNS_RECORDS_MAX 32   /* records of one answer; of more than that those of the best rank are kept */
#define DNS_ALIASES_MAX 8    /* links that a chain of CNAMEs may have */

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
	DNS_ALIAS,     /* alias is the end of a chain without records here: ask for that name */
	DNS_FAILED,    /* the server says that it cannot or will not answer */
	DNS_TRUNCATED, /* to be asked again over TCP */
	DNS_BROKEN,    /* an answer to this question, but malformed */
	DNS_OTHER,     /* not an answer to this question */
	DNS_SILENT,    /* no server answered in time; only dns_ask returns this */
};

struct dns_answer {
	uint32_t ttl_s; /* the least of the chain; DNS_NOTHING: of the SOA (RFC 2308 5), 0 without one */
	unsigned count;
	char alias[DNS_NAME_MAX];
	struct dns_record records[DNS_RECORDS_MAX];
};

/*
 * dns_message_question: writes a message that asks for records of that type at name, recursion desired; *n is its
 * length. ERR_SYNTAX: name is no name of a host or service, that is, labels of 1 to 63 letters, digits, "-" and "_". A
 * final dot is allowed.
 */
MUST_USE enum err dns_message_question(uint16_t id, struct slice name, enum dns_type type,
				       uint8_t out[DNS_QUESTION_MAX], size_t *n);

/*
 * dns_message_read: message is all octets that came, question what dns_message_question wrote. An answer has the same
 * ID and the same question, without case (RFC 5452 9.1); anything else is DNS_OTHER. *out is complete for DNS_RECORDS,
 * DNS_NOTHING and DNS_ALIAS. Records with unusable data are skipped.
 */
enum dns_found dns_message_read(struct slice message, struct slice question, struct dns_answer *out);

#endif
