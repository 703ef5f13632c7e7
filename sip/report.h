#ifndef SIP_REPORT_H
#define SIP_REPORT_H

#include "core/buf.h"

/*
 * The output of a verb on stdout: an event with named values, as lines for a person or as one JSON object (--json).
 * Call report_start, then one function for each value, then report_end, which writes it in one piece. Zero the struct
 * before.
 */
struct report {
	bool json;
	struct buf out;
};

/* report_start: names the event and the AOR that it is about. name and event are static words, not escaped. */
void report_start(struct report *r, bool json, const char *event, const char *aor);
void report_text(struct report *r, const char *name, struct slice value);
void report_bool(struct report *r, const char *name, bool value); /* "yes" or "no" for a person */
void report_time(struct report *r, const char *name, int64_t seconds_since_1970);
void report_block(struct report *r, const char *name, struct slice text); /* several lines; the last value */
void report_end(struct report *r);

/*
 * report_plain: appends text of strangers so that it cannot steer a terminal: UTF-8 and tabs as they are; control
 * characters (also those above 0x80) and octets that are no UTF-8 as "\xNN".
 */
void report_plain(struct buf *out, struct slice text);

/* report_shell: appends a word so that a shell reads it as one: in quotes, if it needs them. */
void report_shell(struct buf *out, const char *word);

/* report_json: appends text as a JSON string with quotes; an octet that is no UTF-8 becomes U+FFFD. */
void report_json(struct buf *out, struct slice text);

#endif
