# SPDX-License-Identifier: Apache-2.0
"""onnx_run.py MODEL.onnx EXPECTED.npz [alone]: 1 when onnxruntime's embeddings differ from the expected ones."""
import sys

import numpy as np
import onnxruntime

model, data = sys.argv[1], np.load(sys.argv[2])
session = onnxruntime.InferenceSession(model)
speech, lengths, right = data["speech"], data["speech_lengths"], data["embedding"]
worst = 0.0


def check(got, want):
    global worst
    worst = max(worst, float(np.abs(got - want).max() / np.abs(want).max()))


if "alone" not in sys.argv[3:]:
    check(session.run(None, {"speech": speech, "speech_lengths": lengths})[0], right)
for x, n, want in zip(speech, lengths, right):
    check(session.run(None, {"speech": x[None, :n], "speech_lengths": np.array([n])})[0][0], want)
print(f"{worst:.1e} of the largest value")
sys.exit(not worst <= 1e-4)
