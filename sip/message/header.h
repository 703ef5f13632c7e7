#ifndef SIP_MESSAGE_HEADER_H
#define SIP_MESSAGE_HEADER_H

#include "sip/message/scan.h"

/*
 * The values of single header fields, one function for each. s is the value as msg.h gives it, folds included. All
 * slices of results point into s. On ERR_SYNTAX *out is untouched.
 */

/* cseq_parse: RFC 3261 20.16. The number is below 2^31; *method is the token behind it. */
MUST_USE enum err cseq_parse(struct slice s, uint32_t *number, struct slice *method);

/*
 * delta_parse: delta-seconds. A value over 2^32-1 counts as 2^32-1, as RFC 3261 20.19 asks for Expires. ERR_SYNTAX for
 * anything but digits.
 */
MUST_USE enum err delta_parse(struct slice s, uint32_t *seconds);

/* Event, RFC 6665 8.4. The package is compared octet by octet (CRT-01). */
struct event {
	struct slice package;
	struct slice id;     /* SLICE_NONE without one */
	struct slice params; /* from the first ";" */
};
MUST_USE enum err event_parse(struct slice s, struct event *out);

/* Subscription-State, RFC 6665 8.4. state and reason are tokens, compared without case. */
struct substate {
	struct slice state;
	struct slice reason; /* SLICE_NONE without one */
	bool has_expires, has_retry_after;
	uint32_t expires, retry_after; /* seconds */
};
MUST_USE enum err substate_parse(struct slice s, struct substate *out);

/* Content-Type and Accept elements: type "/" subtype *(";" parameter). */
struct media {
	struct slice type;
	struct slice subtype;
	struct slice params;
};
MUST_USE enum err media_parse(struct slice s, struct media *out);
bool media_is(const struct media *m, struct slice type, struct slice subtype);

/*
 * accept_covers: does an Accept list allow type/subtype? The most specific range that matches decides, and q=0 means no
 * (RFC 2616 14.1). false for a malformed list.
 */
bool accept_covers(struct slice accept, struct slice type, struct slice subtype);

/* disposition_is_optional: is s a Content-Disposition with handling=optional (RFC 3261 20.11)? */
bool disposition_is_optional(struct slice s);

/*
 * Digest credentials or a challenge, RFC 3261 22.4 and RFC 7616: a scheme and a comma-separated list of name=value.
 * Quoted values are without their quotes, with escapes in them; absent ones are SLICE_NONE; unknown names are ignored.
 *
 * ERR_SYNTAX: a known parameter that is there twice, or an open quote: two readers could disagree about which value
 * counts. ERR_UNSUPPORTED: another scheme than Digest.
 */
struct digest_params {
	struct slice realm, nonce, opaque, algorithm, qop, uri, username, response, cnonce, nc, stale;
};
MUST_USE enum err digest_params_parse(struct slice s, struct digest_params *out);

/*
 * digest_may_be_of: may some reader take s, the value of a challenge or of credentials, for Digest of this realm? A
 * realm is compared without case, escapes and outer blanks. true as well for Digest whose realm cannot be read without
 * doubt, and for a challenge by Basic in this realm: RFC 3261 22 has no Basic, but who answers it shows his password.
 * Other schemes are of nobody.
 */
bool digest_may_be_of(struct slice s, struct slice realm);

#endif
