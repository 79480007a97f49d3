#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Speed of ESPnet's speaker models on a GPU, to be put beside `spk bench --ngpu 1`.

gpu_espnet.py CONFIG.yaml... [--batch 512,64] [--modes f32,tf32,bf16,compiled]

For each configuration, mode and batch size it prints one line of JSON. A step is what ESPnet's trainer does with a batch:
gradients cleared, forward and backward pass, the norm clipped at 5, Adam. The waves are random, 3 s long, and lie on the GPU
already (--from-host: each step copies them there, as `spk bench` does). CUDA's events time groups of steps behind each
other; the median of the groups counts. Then embeddings, in eval mode without gradients. Keys as those of `spk bench`, and:
  program            espnet
  mode               f32: no TF32; tf32: products and convolutions in TF32; bf16: autocast to bfloat16;
                     compiled: torch.compile of encoder and pooling, and autocast to bfloat16
  peak_gb            the most that tensors took of the GPU's memory in training (1e9 bytes); reserved_gb: that PyTorch held
  compile_s          until the first compiled step had ended
  loss               of the last step, so that a model gone wrong is seen
  error              why there are no figures: out of memory, no time left
A batch that does not fit is said so, and its half is tried (--no-halving: it is not).

ESPnet's parts are built by their classes' names, as its SpeakerTask.build_model does: that module itself imports all of
ESPnet's tasks and what those need. Its run-time checks of types (typeguard) are taken off: they cost time and cut what
torch.compile sees into pieces. PYTHONPATH must lead to the folder that holds espnet2.
"""
import argparse
import gc
import importlib
import json
import math
import os
import resource
import signal
import statistics
import sys
import time
import types

import torch
import torch._dynamo.utils
import torch._functorch.config
import yaml

SAMPLE_RATE, CLIP, LEARNING_RATE = 16000, 5.0, 1e-3
MODES = ("f32", "tf32", "bf16", "compiled")
GROUP_SECONDS, GROUPS = 0.1, (3, 15)  # least time of a group of steps; fewest and most groups
PARTS = {
    "frontend": {"melspec_torch": "asr.frontend.melspec_torch.MelSpectrogramTorch",
                 "default": "asr.frontend.default.DefaultFrontend",
                 "asteroid_frontend": "asr.frontend.asteroid_frontend.AsteroidFrontend"},
    "normalize": {"utterance_mvn": "layers.utterance_mvn.UtteranceMVN"},
    "encoder": {"ecapa_tdnn": "spk.encoder.ecapa_tdnn_encoder.EcapaTdnnEncoder",
                "identity": "spk.encoder.identity_encoder.IdentityEncoder",
                "mfaconformer": "spk.encoder.conformer_encoder.MfaConformerEncoder",
                "rawnet3": "spk.encoder.rawnet3_encoder.RawNet3Encoder",
                "resnet": "spk.encoder.resnet_encoder.ResNetEncoder",
                "ska_tdnn": "spk.encoder.ska_tdnn_encoder.SkaTdnnEncoder",
                "xvector": "spk.encoder.xvector_encoder.XvectorEncoder"},
    "pooling": {"chn_attn_stat": "spk.pooling.chn_attn_stat_pooling.ChnAttnStatPooling",
                "mean": "spk.pooling.mean_pooling.MeanPooling",
                "stats": "spk.pooling.stat_pooling.StatsPooling"},
    "projector": {"rawnet3": "spk.projector.rawnet3_projector.RawNet3Projector",
                  "ska_tdnn": "spk.projector.ska_tdnn_projector.SkaTdnnProjector",
                  "xvector": "spk.projector.xvector_projector.XvectorProjector"},
    "loss": {"aamsoftmax": "spk.loss.aamsoftmax.AAMSoftmax",
             "aamsoftmax_sc_topk": "spk.loss.aamsoftmax_subcenter_intertopk.ArcMarginProduct_intertopk_subcenter",
             "softmax": "spk.loss.softmax.Softmax"},
}


class TooLong(BaseException):
    """The compiler's time is over. No Exception, for the compiler catches those."""


def read_options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("config", nargs="+")
    p.add_argument("--batch", default="512,64", help="batch sizes (512,64)")
    p.add_argument("--modes", default=",".join(MODES), help="of " + ", ".join(MODES) + " (all)")
    p.add_argument("--seconds", type=float, default=3.0, help="length of a wave (3)")
    p.add_argument("--device", default="cuda", help="cuda or cpu (cuda)")
    p.add_argument("--time", type=float, default=1.5, help="seconds of timed steps for a figure (1.5)")
    p.add_argument("--warm-up", type=int, default=3, help="steps before (3)")
    p.add_argument("--limit", type=float, default=math.inf, help="seconds after which nothing new is begun")
    p.add_argument("--compile-limit", type=float, default=150, help="seconds that compiling a model may take (150)")
    p.add_argument("--compile-only", action="store_true", help="fill the compiler's cache: one step, nothing is timed")
    p.add_argument("--no-embed", action="store_true", help="training only")
    p.add_argument("--from-host", action="store_true", help="each step copies its waves from the processor's pinned memory")
    p.add_argument("--no-halving", action="store_true", help="do not try half of a batch that does not fit")
    p.add_argument("--no-benchmark", action="store_true", help="leave cuDNN's choice of algorithms to its rules")
    p.add_argument("--threads", type=int, help="PyTorch's threads on the processor")
    p.add_argument("--imports", action="store_true", help="list the modules that were imported on stderr at the end")
    o = p.parse_args()
    o.batch, o.modes = [int(b) for b in o.batch.split(",")], o.modes.split(",")
    if not set(o.modes) <= set(MODES):
        p.error("modes are " + ", ".join(MODES))
    return o


# ---- the model ----


def take_off_type_checks():
    """Before anything of ESPnet is imported."""
    typeguard = types.ModuleType("typeguard")
    typeguard.typechecked = lambda f=None, **_: f if f is not None else lambda g: g
    sys.modules["typeguard"] = typeguard


def part(conf, kind, **given):
    """One part by its name in the configuration, or None."""
    name = conf.get(kind)
    if name is None:
        return None
    module, _, of = ("espnet2." + PARTS[kind][name]).rpartition(".")
    return getattr(importlib.import_module(module), of)(**given, **(conf.get(kind + "_conf") or {}))


def build(conf):
    from espnet2.spk.espnet_model import ESPnetSpeakerModel

    torch.manual_seed(0)
    frontend = part(conf, "frontend")
    normalize = part(conf, "normalize")
    encoder = part(conf, "encoder", input_size=frontend.output_size())
    pooling = part(conf, "pooling", input_size=encoder.output_size())
    projector = part(conf, "projector", input_size=pooling.output_size())
    loss = part(conf, "loss", nout=projector.output_size(), nclasses=conf["spk_num"])
    return ESPnetSpeakerModel(frontend=frontend, specaug=None, normalize=normalize, encoder=encoder, pooling=pooling,
                              projector=projector, loss=loss)


def compile_parts(model):
    """Encoder and pooling, which take nearly all of the time. The compiler makes no code for the complex numbers of a Fourier
    transform; PyTorch 2.11 on the processor failed on aliased views with the frontend in the graph, and on mixed types of a
    product with projector and loss in it."""
    torch._functorch.config.view_replay_for_aliased_outputs = False
    for name in ("encoder", "pooling"):
        getattr(model, name).compile(dynamic=False)


# ---- time ----


class Clock:
    """Seconds between two marks: as the GPU sees them, or here."""

    def __init__(self, device):
        self.cuda = device.type == "cuda"

    def mark(self):
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, a, b):
        if not self.cuda:
            return b - a
        b.synchronize()
        return a.elapsed_time(b) / 1e3


def timed(o, clock, f):
    """The median seconds of f over groups of calls, after one that tells how many make a group."""
    a = clock.mark()
    f()
    one = max(clock.between(a, clock.mark()), 1e-6)
    n = max(1, math.ceil(GROUP_SECONDS / one))
    groups = min(max(int(o.time / (n * one)), GROUPS[0]), GROUPS[1])
    t = []
    for _ in range(groups):
        a = clock.mark()
        for _ in range(n):
            f()
        t.append(clock.between(a, clock.mark()) / n)
    return statistics.median(t)


def within(seconds, f):
    """f(), or TooLong."""
    def over(number, frame):
        raise TooLong

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(max(1, math.ceil(seconds)))
    try:
        return f()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# ---- one line ----


class Bench:
    def __init__(self, o, conf, mode, batch):
        self.o, self.mode, self.device = o, mode, torch.device(o.device)
        self.clock = Clock(self.device)
        self.model = build(conf).to(self.device)
        if mode == "compiled":
            compile_parts(self.model)
        self.optim = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE)
        self.speech = 0.1 * torch.randn(batch, int(SAMPLE_RATE * o.seconds), device=self.device)
        self.labels = torch.randint(0, conf["spk_num"], (batch,), device=self.device)
        self.host = self.speech.cpu().pin_memory() if o.from_host and self.device.type == "cuda" else None

    def autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.mode in ("bf16", "compiled"))

    def fetch(self):
        if self.host is not None:
            self.speech.copy_(self.host, non_blocking=True)

    def step(self):
        self.fetch()
        self.optim.zero_grad()
        with self.autocast():
            loss, _, _ = self.model(speech=self.speech, spk_labels=self.labels)
        loss.backward()
        self.loss = loss.detach()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optim.step()

    def embed(self):
        self.fetch()
        with torch.no_grad(), self.autocast():
            self.model(speech=self.speech, extract_embd=True)

    def warm_up(self, f):
        """cuDNN tries its algorithms here, with room for each: what comes behind is the memory of a step."""
        for _ in range(self.o.warm_up):
            f()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()

    def first_step(self):
        self.step()
        return self.loss.item()  # waits

    def run(self, line):
        """Fills the line. Raises what PyTorch raises."""
        self.model.train()
        begin = time.perf_counter()
        if self.mode == "compiled":
            within(self.o.compile_limit, self.first_step)
            line["compile_s"] = round(time.perf_counter() - begin, 1)
            line["graph_breaks"] = sum(torch._dynamo.utils.counters["graph_break"].values())
        if self.o.compile_only:
            return
        batch = line["batch"]
        self.warm_up(self.step)
        line["train_utt_per_s"] = round(batch / timed(self.o, self.clock, self.step), 2)
        line["loss"] = round(self.loss.item(), 4)
        if self.device.type == "cuda":
            line["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 3)
            line["reserved_gb"] = round(torch.cuda.max_memory_reserved() / 1e9, 3)
        else:
            line["peak_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3)
        if self.o.no_embed:
            return
        self.optim.zero_grad()
        self.model.eval()
        if self.mode == "compiled":
            within(self.o.compile_limit, self.embed)
        self.warm_up(self.embed)
        line["embed_utt_per_s"] = round(batch / timed(self.o, self.clock, self.embed), 2)


def set_precision(mode):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = mode != "f32"


def forget():
    """All that a model left on the GPU."""
    gc.collect()
    torch._dynamo.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def measure(o, path, mode, batch):
    """Prints a line. False: the batch does not fit."""
    line = {"program": "espnet", "config": path, "mode": mode, "batch": batch, "amp": mode in ("bf16", "compiled"),
            "compile": mode == "compiled", "torch": torch.__version__, "parameters": None, "train_utt_per_s": None,
            "embed_utt_per_s": None, "peak_gb": None}
    begin, bench, fits = time.perf_counter(), None, True
    set_precision(mode)
    try:
        with open(path) as f:
            conf = yaml.safe_load(f)
        bench = Bench(o, conf, mode, batch)
        line["parameters"] = sum(p.numel() for p in bench.model.parameters())
        bench.run(line)
    except torch.OutOfMemoryError:
        line["error"], fits = "out of memory", False
    except TooLong:
        line["error"] = f"compiling took more than {o.compile_limit:g} s"
    except Exception as e:  # the other models go on
        fits = "out of memory" not in str(e)
        line["error"] = f"{type(e).__name__}: {str(e)[:300]}" if fits else "out of memory"
    line["wall_s"] = round(time.perf_counter() - begin, 1)
    print(json.dumps(line), flush=True)
    del bench
    forget()
    return fits


def main():
    o = read_options()
    begin = time.perf_counter()
    if o.threads:
        torch.set_num_threads(o.threads)
    take_off_type_checks()
    torch.backends.cudnn.benchmark = not o.no_benchmark
    if o.device == "cuda":
        print(f"gpu_espnet: {torch.cuda.get_device_name()}, PyTorch {torch.__version__}, cuDNN "
              f"{torch.backends.cudnn.version()}", file=sys.stderr, flush=True)
    for path in o.config:
        for mode in o.modes:
            tried = set()
            for batch in o.batch:
                while batch >= 2 and batch not in tried:
                    if time.perf_counter() - begin > o.limit:
                        print(json.dumps({"program": "espnet", "config": path, "mode": mode, "batch": batch,
                                          "error": "no time left"}), flush=True)
                        break
                    tried.add(batch)
                    if measure(o, path, mode, batch) or o.no_halving:
                        break
                    batch //= 2
    if o.imports:
        print("\n".join(sorted(m for m in sys.modules if "." not in m)), file=sys.stderr)
    # Compilers' processes and CUDA's handlers at the end take seconds, and nothing is left to be done.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
