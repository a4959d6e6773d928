/* Between the rig's own files. */
#ifndef CHANCERY_TESTS_UNIT_HTTPD_RIG_PRIVATE_H
#define CHANCERY_TESTS_UNIT_HTTPD_RIG_PRIVATE_H

#include "tests/unit/httpd/rig.h"

/* The played signer's answers. */
void rig_answer(struct rig *rig, uint16_t type, uint64_t id, const struct buf *payload);
void rig_refuse(struct rig *rig, uint64_t id, enum err_code code, const char *text);

/* rig_orders.c: MSG_ORDER, without an id to a dry run; false for a question that is none about orders,
 * organizations and explanations. */
void rig_answer_with_order(struct rig *rig, uint64_t id, bool dry_run);
bool rig_answer_about_orders(struct rig *rig, const struct frame *frame);

/* Plays the signer on its end of a socket pair, in a thread. */
void rig_play_signer(struct rig *rig, int fd);

#endif
