/* SPDX-License-Identifier: Apache-2.0 */
/* What each of several processes has to do (work_impl.h). */
#include "train/work_impl.h"

#include <inttypes.h>

char *spk_work_text(const char *first, int64_t n)
{
    if (n < 1 || !first) return spk_strdup("its share: no utterance");
    if (n == 1) return spk_strf("its share: utterance '%s'", first);
    return spk_strf("its share: utterance '%s' and %" PRId64 " more", first, n - 1);
}

char *spk_work_of_batch(void *user, int rank)
{
    const spk_work_batch *w = user;
    const char *first = NULL;
    int64_t n = 0;
    if (!w->iterator->peek || !w->iterator->peek(w->iterator->self, w->t->batch, rank, &first, &n)) return NULL;
    return spk_work_text(first, n);
}

char *spk_work_of_list(void *user, int rank)
{
    const spk_work_list *w = user;
    if (rank >= w->n) return spk_work_text(NULL, 0);
    return spk_work_text(w->id(w->list, rank), (w->n - rank + w->size - 1) / w->size);
}
