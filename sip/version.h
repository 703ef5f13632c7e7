#ifndef SIP_VERSION_H
#define SIP_VERSION_H

#define VERSION "0.1"

#endif
