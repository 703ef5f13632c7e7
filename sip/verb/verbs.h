#ifndef SIP_VERB_VERBS_H
#define SIP_VERB_VERBS_H

/*
 * The verbs of the administrator and of the lab. argv[0] is the verb. Each returns the exit code of the program: 0
 * done, 1 refused or could not start, 2 usage, 3 a local error or no server.
 */
int verb_lab(int argc, char **argv);
int verb_serve(int argc, char **argv);
int verb_init(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_user(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_revoke_as_admin(int argc, char **argv);
int verb_reload(int argc, char **argv);

#endif
