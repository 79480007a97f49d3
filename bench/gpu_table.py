#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""spk beside ESPnet on one GPU, as a Markdown table: gpu_table.py LINES.jsonl...

The files hold JSON lines of `spk bench --ngpu 1` and of bench/gpu_espnet.py, in any order; where a measurement is there twice
the last one counts. A row for each model, precision and batch size: utterances a second in training and embedding, memory
of the GPU, and how much faster spk is than ESPnet with the same batch and precision (bf16 also beside torch.compile).
"""
import json
import pathlib
import sys

ORDER = ["ecapa512", "ecapa1024", "resnet34", "xvector", "rawnet3", "ska_tdnn", "mfaconformer"]
MEMORY = ("gpu_gb", "peak_gb")  # the first key that a line has
HEAD = """| model | precision | batch | spk train | ESPnet train | ratio | compiled | ratio | spk embed | ESPnet embed | ratio | spk GB | ESPnet GB |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


def read(paths):
    """{(model, precision, batch): {"spk": line, "espnet": line, "compiled": line}}"""
    rows = {}
    for path in paths:
        for text in pathlib.Path(path).read_text().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                print(f"gpu_table: {path}: no JSON: {text[:60]}", file=sys.stderr)
                continue
            if "config" not in line:
                continue
            model = pathlib.Path(line["config"]).stem
            espnet = line.get("program") == "espnet"
            mode = line["mode"] if espnet else "bf16" if line["amp"] else "tf32" if line.get("tf32", True) else "f32"
            who = "compiled" if mode == "compiled" else "espnet" if espnet else "spk"
            precision = "bf16" if mode == "compiled" else mode
            rows.setdefault((model, precision, line["batch"]), {})[who] = line
    return rows


def rank(key):
    model, precision, batch = key
    return (ORDER.index(model) if model in ORDER else len(ORDER), model, ("bf16", "tf32", "f32").index(precision), -batch)


def number(line, key):
    value = line.get(key) if line else None
    return value if isinstance(value, (int, float)) else None


def memory(line):
    return next((line[k] for k in MEMORY if number(line, k) is not None), None) if line else None


def cell(line, value):
    if value is not None:
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    error = (line or {}).get("error", "")
    if not error:
        return ""
    return "does not fit" if "out of memory" in error else "no time" if "no time" in error or "more than" in error else "failed"


def ratio(ours, theirs):
    return f"**{ours / theirs:.2f}**" if ours and theirs else ""


def table(rows):
    out = [HEAD]
    for key in sorted(rows, key=rank):
        spk, espnet, compiled = (rows[key].get(who) for who in ("spk", "espnet", "compiled"))
        ours, theirs, faster = (number(line, "train_utt_per_s") for line in (spk, espnet, compiled))
        e_ours, e_theirs = number(spk, "embed_utt_per_s"), number(espnet, "embed_utt_per_s")
        cells = [key[0], key[1], str(key[2]), cell(spk, ours), cell(espnet, theirs), ratio(ours, theirs), cell(compiled, faster),
                 ratio(ours, faster), cell(spk, e_ours), cell(espnet, e_theirs), ratio(e_ours, e_theirs),
                 cell(None, memory(spk)), cell(None, memory(espnet))]
        out.append("| " + " | ".join(cells) + " |")
    return "\n".join(out)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    print(table(read(sys.argv[1:])))
