#ifndef SIP_UA_STEPS_H
#define SIP_UA_STEPS_H

#include "core/buf.h"

/*
 * The outcome of a check step by step, for people: each step holds, fails with the SIP status that a verifier would
 * answer, or stays open because an earlier one failed. The first step that fails decides.
 */
#define STEPS_MAX 12 /* steps of one check; adding more is an error of the program */

enum step_state { STEP_HOLDS, STEP_FAILS, STEP_OPEN };

struct step {
	const char *name;
	enum step_state state;
	unsigned code;      /* SIP status; only of a step that fails */
	const char *reason; /* the phrase of code, static */
	struct buf text;
	struct buf string; /* one more line to print, escaped already; may be empty */
};

struct steps {
	struct step list[STEPS_MAX];
	unsigned count;
};

/* steps_hold, steps_fail, steps_open: append a step; name is static. reason NULL: the default phrase of code. */
void steps_hold(struct steps *s, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void steps_open(struct steps *s, const char *name, const char *why);

void steps_fail(struct steps *s, const char *name, unsigned code, const char *reason, const char *fmt, ...)
	PRINTF_LIKE(5, 6);

/* steps_failed: the first step that fails; NULL: none does. */
const struct step *steps_failed(const struct steps *s);

/* steps_print: appends one line for each step. steps_json: appends a JSON array of them. */
void steps_print(const struct steps *s, struct buf *out);
void steps_json(const struct steps *s, struct buf *out);
void steps_free(struct steps *s);

#endif
