/* SPDX-License-Identifier: Apache-2.0 */
#include "making.h"

bool larder_making_cancelled(const larder_making *making) {
  const lrd_cancel *cancel = making ? making->cancel : NULL;
  if (!cancel) {
    return false;
  }
  return atomic_load_explicit(&cancel->closing, memory_order_acquire) ||
         (making->deadline_ns != INT64_MAX && lrd_boot_ns(cancel->clock) >= making->deadline_ns);
}
