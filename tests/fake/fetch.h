#ifndef TESTS_FAKE_FETCH_H
#define TESTS_FAKE_FETCH_H

#include "sip/identity/fetch.h"

/* The web of a test: what fetch_start gets instead of a connection. */
struct fake_web {
	bool (*get)(struct slice url, struct buf *out); /* false: 404 */
	unsigned asked;                                 /* how often */
	bool hold;                                      /* nothing answers until fake_web_release */
	struct fetch *held;
};
extern struct fake_web fake_web;

void fake_web_release(void);

#endif
