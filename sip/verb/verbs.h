#ifndef SIP_VERB_VERBS_H
#define SIP_VERB_VERBS_H

/*
 * The verbs of the command line. Each gets its own arguments (argv[0] is the verb) and returns the exit code: 0 done, 1
 * refused or could not start, 2 usage, 3 local error.
 */
int verb_lab(int argc, char **argv);
int verb_serve(int argc, char **argv);
int verb_init(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_user(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_revoke_as_admin(int argc, char **argv);
int verb_reload(int argc, char **argv);

/* The verbs of a user, with an account file. Exit codes: sip/ua/command.h. */
int verb_publish(int argc, char **argv);
int verb_credential(int argc, char **argv);
int verb_certificate(int argc, char **argv);
int verb_revoke_own(int argc, char **argv);

/* The verbs that look at the signature of a request in a file, and make one; without an account. */
int verb_verify(int argc, char **argv);
int verb_sign(int argc, char **argv);

/* verb_say: "vouch VERB: sentence" on stderr; returns code. */
int verb_say(const char *verb, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
