#ifndef SIP_REPORT_H
#define SIP_REPORT_H

#include "core/buf.h"

/*
 * What a verb has to say on stdout: an event with named values, as lines for a person or as one JSON object (--json).
 * report_end writes it at once, whole.
 */
struct report {
	bool json;
	struct buf out;
};

void report_start(struct report *r, bool json, const char *event, const char *aor);
void report_text(struct report *r, const char *name, struct slice value);
void report_bool(struct report *r, const char *name, bool value); /* "yes" or "no" for a person */
void report_time(struct report *r, const char *name, int64_t seconds_since_1970);
void report_block(struct report *r, const char *name, struct slice text); /* several lines: last, as they are */
void report_end(struct report *r);

/*
 * report_plain: appends text for a terminal, which what came from elsewhere must not steer: UTF-8 and tabs as they are,
 * control characters (those above 0x80 too) and octets that are no UTF-8 as "\xNN".
 */
void report_plain(struct buf *out, struct slice text);

/* report_json: appends text as a JSON string with its quotes; octets that are no UTF-8 become U+FFFD. */
void report_json(struct buf *out, struct slice text);

#endif
