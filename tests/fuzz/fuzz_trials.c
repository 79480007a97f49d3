/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target for lists of trials and of scores, and for calibrations. */
#include "fuzz.h"

#include <math.h>

#include "score/calibration_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    spk_trial_list t;
    spk_calibration c;
    const char *path = fuzz_file(data, n);
    for (int form = SPK_FORM_AUTO; form <= SPK_FORM_NEMO; form++)
        for (int scored = 0; scored < 2; scored++) {
            if (spk_trial_list_read(path, (spk_form)form, scored != 0, &t) != SPK_OK) continue;
            SPK_ASSERT(t.n > 0 && t.form != SPK_FORM_AUTO && (t.score != NULL) == (scored != 0));
            for (int64_t i = 0; i < t.n; i++) {
                SPK_ASSERT(t.enroll[i] >= 0 && t.enroll[i] < t.n_names && t.test[i] >= 0 && t.test[i] < t.n_names);
                SPK_ASSERT(t.label[i] <= 1 && (!t.score || isfinite(t.score[i])));
            }
            spk_trial_list_clear(&t);
        }
    if (spk_calibration_parse((const char *)data, n, "fuzz", &c) == SPK_OK) {
        SPK_ASSERT(c.F >= c.n_systems && c.prior > 0 && c.prior < 1);
        spk_calibration_clear(&c);
    }
    return 0;
}
