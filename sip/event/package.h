#ifndef SIP_EVENT_PACKAGE_H
#define SIP_EVENT_PACKAGE_H

#include "core/slice.h"

/* The event packages of this server (draft 6 and 7). HACKING.md says what else a new one needs. */
enum package { PACKAGE_CERTIFICATE, PACKAGE_CREDENTIAL, PACKAGE_COUNT };

#define PACKAGE_ALLOW_EVENTS "certificate, credential" /* the value of Allow-Events */

/*
 * package_of: the package of a token, compared octet by octet (RFC 6665 8.2.1); PACKAGE_COUNT: unknown. package_name:
 * the token.
 */
enum package package_of(struct slice token);
const char *package_name(enum package p);

#endif
