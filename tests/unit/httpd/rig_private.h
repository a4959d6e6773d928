/* Between the rig's own files. */
#ifndef CHANCERY_TESTS_UNIT_HTTPD_RIG_PRIVATE_H
#define CHANCERY_TESTS_UNIT_HTTPD_RIG_PRIVATE_H

#include "tests/unit/httpd/rig.h"

/* Plays the signer on its end of a socket pair, in a thread. */
void rig_play_signer(struct rig *rig, int fd);

#endif
