"""What may be in an adapter: each refusal has its name, and what is honest passes."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import zipfile
from pathlib import Path

import pytest

from registry.contents import MAX_FILES, MAX_TEXT, check_file, check_names
from registry.errors import TrustError
from tests.adapters import framed, weights


def one(name: str = "w", **about: object) -> bytes:
    told = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]} | about
    return framed(json.dumps({name: told}).encode(), b"1234")


def config(**values: object) -> bytes:
    return json.dumps({"peft_type": "LORA"} | values).encode()


PROTOCOL_0 = b"cos\nsystem\n(S'true'\ntR."
DATA_ONLY = pickle.dumps({"lora_A": [1, 2]}, protocol=0)
HEADER_OF_640 = framed(b'{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'.ljust(640), b"1234")
"""Begins with the bytes of a pickle of protocol 2."""

GOOD: dict[str, tuple[str, bytes]] = {
    "weights": ("adapter_model.safetensors", weights()),
    "weights that begin as a pickle does": ("adapter_model.safetensors", HEADER_OF_640),
    "an empty tensor": ("a.safetensors", framed(b'{"w":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]}}')),
    "metadata": ("a.safetensors", framed(b'{"__metadata__":{"format":"pt"}}')),
    "a card": ("README.md", "---\nbase_model: tiny\n---\n# networkx v1 · Größe\n".encode()),
    "a licence": ("notices-x-LICENSE", b"(c) 2004, the developers\nAll rights reserved.\n\x0c\n"),
    "an empty file": ("notices-x-NOTICE", b""),
    "a canary": ("canary.json", b'[{"text":"a","ids":[1,2],"logprob":-1.5}]'),
    "modules": ("adapter_config.json", config(r=16, target_modules=["q_proj", "model.layers.0.mlp"])),
    "ranks": ("adapter_config.json", config(r=8, rank_pattern={"q_proj": 200}, auto_mapping=None)),
}

BAD: dict[str, tuple[str, bytes, str]] = {
    "pickle 0": ("notices.txt", PROTOCOL_0, "pickle"),
    "pickle 0 of data": ("README.md", DATA_ONLY, "pickle"),
    "pickle 0 with a tail": ("README.md", PROTOCOL_0 + b"# a card", "pickle"),
    "pickle 2": ("adapter_model.bin", pickle.dumps(print, protocol=2), "pickle"),
    "pickle 5": ("training_args.bin", pickle.dumps(os.system, protocol=5), "pickle"),
    "pickle without a protocol": ("README.md", pickle.dumps(print, protocol=2)[2:], "pickle"),
    "pickle called weights": ("adapter_model.safetensors", pickle.dumps(os.system), "pickle"),
    "pickle 0 called weights": ("adapter_model.safetensors", PROTOCOL_0, "pickle"),
    "pickle called config": ("adapter_config.json", pickle.dumps({"r": 4}), "pickle"),
    "pickle of many steps": ("README.md", b"N0" * 1_000_000 + PROTOCOL_0, "pickle"),
    "numpy": ("canary.json", b"\x93NUMPY\x01\0", "pickle"),
    "binary": ("README.md", b"\x7fELF\x02\x01\x01\0", "content"),
    "zero bytes": ("README.md", b"# card\0", "content"),
    "not UTF-8": ("README.md", "Größe".encode("latin-1"), "content"),
    "huge text": ("README.md", b" " * (MAX_TEXT + 1), "size"),
    "huge header": ("a.safetensors", (1 << 62).to_bytes(8, "little") + b"{}", "safetensors"),
    "header longer than the file": ("a.safetensors", (400).to_bytes(8, "little") + b"{}", "safetensors"),
    "header of 5 MB": ("a.safetensors", framed(b"{" + b" " * (5 << 20) + b"}"), "safetensors"),
    "too short": ("a.safetensors", b"\0\0", "safetensors"),
    "empty weights": ("a.safetensors", b"", "safetensors"),
    "no object": ("a.safetensors", framed(b"[]"), "safetensors"),
    "blank before the header": ("a.safetensors", framed(b' {"a":{}}'), "safetensors"),
    "a tensor twice": ("a.safetensors", framed(b'{"w":{},"w":{}}'), "safetensors"),
    "a name twice": ("a.safetensors", framed(b'{"__metadata__":{},"__metadata__":{}}'), "safetensors"),
    "nested header": ("a.safetensors", framed(b'{"a":' * 100_000), "safetensors"),
    "unknown dtype": ("a.safetensors", one(dtype="OBJECT"), "safetensors"),
    "negative shape": ("a.safetensors", one(shape=[-4]), "safetensors"),
    "shape of truths": ("a.safetensors", one(shape=[True, 4]), "safetensors"),
    "vast shape": ("a.safetensors", one(shape=[1 << 60]), "safetensors"),
    "shape and bytes differ": ("a.safetensors", one(shape=[3]), "safetensors"),
    "a gap before": ("a.safetensors", one(data_offsets=[1, 4], shape=[3]), "safetensors"),
    "bytes left over": ("a.safetensors", one(data_offsets=[0, 3], shape=[3]), "safetensors"),
    "beyond the end": ("a.safetensors", one(data_offsets=[0, 8], shape=[8]), "safetensors"),
    "offsets turned round": ("a.safetensors", one(data_offsets=[4, 0]), "safetensors"),
    "more in a tensor": ("a.safetensors", one(code="import os"), "safetensors"),
    "metadata that isn't text": ("a.safetensors", framed(b'{"__metadata__":{"a":[]}}'), "safetensors"),
    "JSON with a name twice": ("canary.json", b'{"a":1,"a":2}', "json"),
    "broken JSON": ("canary.json", b'{"a":', "json"),
    "nested JSON": ("canary.json", b"[" * 1_000_000, "json"),
    "a config that is no object": ("adapter_config.json", b"[]", "json"),
    "another kind of adapter": ("adapter_config.json", config(peft_type="PROMPT_TUNING"), "json"),
    "a pattern that takes for ever": ("adapter_config.json", config(target_modules="(a+)+$"), "json"),
    "one in the ranks": ("adapter_config.json", config(rank_pattern={"(.*)*x": 4}), "json"),
    "one in the modules to save": ("adapter_config.json", config(modules_to_save=["(x+x+)+y"]), "json"),
    "a rank that takes all memory": ("adapter_config.json", config(r=1 << 40), "json"),
    "a module to import": ("adapter_config.json", config(megatron_config={"a": 1}, megatron_core="evil"), "json"),
    "a library to import": ("adapter_config.json", config(auto_mapping={"parent_library": "evil.code"}), "json"),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_what_is_honest_passes(tmp_path: Path, case: str) -> None:
    """Weights, JSON and text, also where they look alarming."""
    name, data = GOOD[case]
    (tmp_path / name).write_bytes(data)
    check_file(tmp_path / name, name)


@pytest.mark.parametrize("case", BAD)
def test_what_may_not_be_in_an_adapter_is_refused_by_name(tmp_path: Path, case: str) -> None:
    """Each in the same second: nothing is run, nothing is read beyond a bound."""
    name, data, fault = BAD[case]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TrustError) as told:
        check_file(tmp_path / name, name)
    assert told.value.values["fault"] == fault, told.value
    assert name in str(told.value)


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    """A link is refused wherever it points, and a pipe isn't waited for."""
    (tmp_path / "real").write_bytes(weights())
    (tmp_path / "link.safetensors").symlink_to("real")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link.safetensors", "zero", "folder", "pipe"):
        with pytest.raises(TrustError) as told:
            check_file(tmp_path / name, name)
        assert told.value.values["fault"] == "symlink"


def test_what_torch_saves_is_refused(tmp_path: Path) -> None:
    """Its archive holds a pickle, whatever the file is called."""
    for name in ("adapter_model.bin", "adapter_model.safetensors", "README.md"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"w": subprocess.run}))
        with pytest.raises(TrustError) as told:
            check_file(tmp_path / name, name)
        assert told.value.values["fault"] == "pickle"


@pytest.mark.parametrize(
    "name",
    [
        "../adapter_model.safetensors", "a/../../b", "/etc/passwd", "a//b", "./a", "a/.", "a/", "", ".", "..", "a\\b",
        "..\\a", "C:a", "a\0b", "a\nb", "a\x1b[2Jb", "a\u202egnp.md", "a\u200bb", "a ", " a", "a.", "x" * 201,
        "/".join(["abc"] * 150), "\ud800", None, 3, ["a"],
    ],
)  # fmt: skip
def test_a_name_that_isn_t_a_plain_path_below_the_folder_is_refused(name: object) -> None:
    """Up, absolute, empty, backslashed, invisible, endless, of another type."""
    with pytest.raises(TrustError) as told:
        check_names(["adapter_config.json", name], "networkx v1")  # type: ignore[list-item]
    assert told.value.values["fault"] == "path"


def test_names_that_mean_one_file_and_too_many_are_refused() -> None:
    """Where case or accents don't count, one would replace the other."""
    check_names(["README.md", "notices-x-LICENSE", "additional/Größe.txt"], "networkx v1")
    for pair in (["a", "a"], ["README.md", "readme.MD"], ["Gr\u00f6sse", "Gro\u0308sse"]):
        with pytest.raises(TrustError, match="twice"):
            check_names(pair, "networkx v1")
    with pytest.raises(TrustError, match="more than"):
        check_names(map(str, range(MAX_FILES + 1)), "networkx v1")


def test_a_real_library_reads_what_passes(tmp_path: Path) -> None:
    """What is called good here is what safetensors takes too, and it takes none of the headers called bad."""
    safetensors = pytest.importorskip("safetensors")
    for case, (name, data) in GOOD.items():
        if name.endswith(".safetensors"):
            (tmp_path / name).write_bytes(data)
            with safetensors.safe_open(tmp_path / name, "numpy") as file:
                assert isinstance(list(file.keys()), list), case
