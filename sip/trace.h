#ifndef SIP_TRACE_H
#define SIP_TRACE_H

#include "sip/transport/transport.h"

/*
 * trace_message: writes a message to stderr for a person: its direction and the other end, start line and header
 * fields; of a body only its size; answers to digest challenges left out. One write(2), so that log lines stand between
 * messages and not in them. It is a transport_trace_fn.
 */
void trace_message(void *arg, const struct flow *f, bool sent, struct slice octets);

#endif
