#ifndef SIP_VERB_VERBS_H
#define SIP_VERB_VERBS_H

#include "sip/usage.h"

/* The verbs that run a server, or prepare one. */
extern const struct usage verb_lab, verb_serve, verb_init;

/* The verbs of the administrator. */
extern const struct usage verb_check, verb_status, verb_reload, verb_revoke_user, verb_credential_create;
extern const struct usage verb_user_add, verb_user_passwd, verb_user_del, verb_user_list, verb_user_import;

#endif
