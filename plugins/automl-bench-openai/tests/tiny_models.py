"""Tiny models of random weights in llama.cpp's own format, and its server with one of them: `python tiny_models.py`.

The server is the real one (package xllamacpp). It runs in a process of its own, which ends with its standard input.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

WIDTH, HEADS, LAYERS, HIDDEN, CONTEXT = 64, 2, 2, 128, 4096
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "
UNKNOWN, NORMAL, CONTROL, BYTE = 2, 1, 3, 6
IMAGE_SIDE, PATCH, EYE_WIDTH, EYE_HIDDEN = 56, 14, 32, 64


def write_text_model(path: Path) -> None:
    """Write a model that reads and writes bytes and printable characters."""
    import gguf

    chance = np.random.default_rng(1)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), "▁", *(chr(n) for n in range(33, 127))]
    kinds = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * (len(tokens) - 259)]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)

    def random(*shape: int) -> np.ndarray:
        return chance.normal(0, 0.3, shape).astype(np.float32)

    writer.add_tensor("token_embd.weight", random(len(tokens), WIDTH))
    writer.add_tensor("output.weight", random(len(tokens), WIDTH))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for n in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{n}.{name}.weight", np.ones(WIDTH, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{n}.{name}.weight", random(WIDTH, WIDTH))
        writer.add_tensor(f"blk.{n}.ffn_gate.weight", random(HIDDEN, WIDTH))
        writer.add_tensor(f"blk.{n}.ffn_up.weight", random(HIDDEN, WIDTH))
        writer.add_tensor(f"blk.{n}.ffn_down.weight", random(WIDTH, HIDDEN))
    _finish(writer)


def write_eye(path: Path) -> None:
    """Write the part that turns an image of 56 × 56 pixels into 16 tokens of the text model."""
    import gguf

    chance = np.random.default_rng(2)
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    for name, value in {
        "image_size": IMAGE_SIDE,
        "patch_size": PATCH,
        "embedding_length": EYE_WIDTH,
        "feed_forward_length": EYE_HIDDEN,
        "projection_dim": WIDTH,
        "block_count": 2,
        "attention.head_count": 2,
    }.items():
        writer.add_uint32(f"clip.vision.{name}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])

    def random(*shape: int) -> np.ndarray:
        return chance.normal(0, 0.3, shape).astype(np.float32)

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(EYE_WIDTH, np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(EYE_WIDTH, np.float32))

    def linear(name: str, out: int, into: int) -> None:
        writer.add_tensor(f"{name}.weight", random(out, into))
        writer.add_tensor(f"{name}.bias", np.zeros(out, np.float32))

    patches = (IMAGE_SIDE // PATCH) ** 2
    writer.add_tensor("v.class_embd", random(EYE_WIDTH))
    writer.add_tensor("v.patch_embd.weight", random(EYE_WIDTH, 3, PATCH, PATCH))
    writer.add_tensor("v.position_embd.weight", random(patches + 1, EYE_WIDTH))
    norm("v.pre_ln")
    for n in range(2):
        norm(f"v.blk.{n}.ln1")
        norm(f"v.blk.{n}.ln2")
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            linear(f"v.blk.{n}.{name}", EYE_WIDTH, EYE_WIDTH)
        linear(f"v.blk.{n}.ffn_up", EYE_HIDDEN, EYE_WIDTH)
        linear(f"v.blk.{n}.ffn_down", EYE_WIDTH, EYE_HIDDEN)
    linear("mm.0", WIDTH, EYE_WIDTH)
    linear("mm.2", WIDTH, WIDTH)
    _finish(writer)


def _finish(writer: object) -> None:
    writer.write_header_to_file()  # type: ignore[attr-defined]
    writer.write_kv_data_to_file()  # type: ignore[attr-defined]
    writer.write_tensors_to_file()  # type: ignore[attr-defined]
    writer.close()  # type: ignore[attr-defined]


@contextmanager
def llama_server(folder: Path, *, sees: bool = False, embeds: bool = False) -> Iterator[str]:
    """Run llama.cpp's server with a tiny model and give its address."""
    text, eye = folder / "tiny.gguf", folder / "eye.gguf"
    write_text_model(text)
    if sees:
        write_eye(eye)
    command = [sys.executable, __file__, str(text), str(eye) if sees else "", "embeds" if embeds else ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        address = ""
        for line in process.stdout:
            if line.startswith(b"listening at "):
                address = line.decode().removeprefix("listening at ").strip()
                break
        assert address, "the server did not start"
        try:
            yield f"{address}/v1"
        finally:
            process.kill()  # it keeps nothing


def main(text: str, eye: str, embeds: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = text
    if eye:
        params.mmproj.path = eye
        params.mmproj_use_gpu = False
    if embeds:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 2 * CONTEXT
    params.n_parallel = 2
    params.warmup = False
    params.cpuparams.n_threads = 1
    params.offline = True
    server = xllamacpp.Server(params)
    print(f"listening at {server.listening_address}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
