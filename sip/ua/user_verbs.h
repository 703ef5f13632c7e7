#ifndef SIP_UA_USER_VERBS_H
#define SIP_UA_USER_VERBS_H

#include "sip/usage.h"

/* The verbs of a user, which need an account file. */
extern const struct usage verb_publish, verb_credential, verb_certificate, verb_revoke_own;

/* The verbs that check and make the Identity of a request in a file. They need no account. */
extern const struct usage verb_verify, verb_sign;

#endif
