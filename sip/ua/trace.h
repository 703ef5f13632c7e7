#ifndef SIP_UA_TRACE_H
#define SIP_UA_TRACE_H

#include "sip/transport/transport.h"

/*
 * trace_message: writes a message to stderr for a person (-v): start line and header fields; of a body only its size;
 * answers to digest challenges left out. It is a transport_trace_fn.
 */
void trace_message(void *arg, const struct flow *f, bool sent, struct slice octets);

#endif
