#ifndef SIP_VERB_SAY_H
#define SIP_VERB_SAY_H

/* verb_say: writes "vouch VERB: sentence" and a line end to stderr, and returns code, the exit code of the verb. */
int verb_say(const char *verb, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
