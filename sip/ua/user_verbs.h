#ifndef SIP_UA_USER_VERBS_H
#define SIP_UA_USER_VERBS_H

/* The verbs of a user, which need an account file. argv[0] is the verb. They return exit codes of sip/ua/command.h. */
int verb_publish(int argc, char **argv);
int verb_credential(int argc, char **argv);
int verb_certificate(int argc, char **argv);
int verb_revoke_own(int argc, char **argv);

/* The verbs that check and make the Identity of a request in a file. They need no account. */
int verb_verify(int argc, char **argv);
int verb_sign(int argc, char **argv);

#endif
