"""What subscribers type, unmodified: `python -m tests.registry.server.hub.clients NAME`, which prints JSON.

They run as processes of their own, as these libraries read `HF_ENDPOINT` and `HF_HOME` where they are imported.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

PUBLIC, PRIVATE, OTHER, BASE = "networkx", "secretlib", "otherlib", "driftune/tiny-0123456789abcdef"


def hub() -> dict[str, Any]:
    """With huggingface_hub."""
    from huggingface_hub import (
        HfApi,
        HfFileSystem,
        file_exists,
        hf_hub_download,
        snapshot_download,
    )
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    repo = f"driftune/{PUBLIC}"
    folder = Path(snapshot_download(repo))
    data = Path(snapshot_download(repo, repo_type="dataset", local_dir=f"{os.environ['HF_HOME']}/local"))
    config = json.loads(Path(hf_hub_download(repo, "adapter_config.json", revision="v2")).read_text())

    def refused(what: Any) -> str:
        try:
            what()
        except HfHubHTTPError as error:
            return type(error).__name__
        return "let in"

    refs = api.list_repo_refs(repo)
    return {
        "files": sorted(path.name for path in folder.iterdir()),
        "commit": folder.name,
        "again": snapshot_download(repo, revision=folder.name) == str(folder),
        "one": sorted(p.name for p in Path(snapshot_download(f"{repo}-v2")).iterdir()),
        "data": sorted(path.relative_to(data).as_posix() for path in data.rglob("*.parquet")),
        "base": config["base_model_name_or_path"],
        "exists": [file_exists(repo, name) for name in ("adapter_model.safetensors", "other.bin")],
        "branches": sorted(ref.name for ref in refs.branches),
        "tags": sorted(ref.name for ref in refs.tags),
        "commits": len(api.list_repo_commits(repo, revision="v2")),
        "info": api.model_info(repo, files_metadata=True).siblings[0].size,
        "expanded": api.model_info(repo, expand=["sha", "tags"]).sha,
        "tree": [entry.path for entry in api.list_repo_tree(repo, expand=True)],
        "paths": [found.path for found in api.get_paths_info(repo, ["README.md", "none.md"])],
        "models": sorted(model.id for model in api.list_models(author="driftune")),
        "found": sorted(model.id for model in api.list_models(search="NETW", filter=["peft"])),
        "datasets": sorted(each.id for each in api.list_datasets(author="driftune")),
        "ls": sorted(HfFileSystem().ls(f"datasets/{repo}/data", detail=False)),
        "no repo": refused(lambda: api.model_info("driftune/nothing")),
        "no revision": refused(lambda: api.model_info(repo, revision="v9")),
        "no entry": refused(lambda: hf_hub_download(repo, "none.json")),
        "private": refused(lambda: snapshot_download(f"driftune/{PRIVATE}")),
        "me": refused(lambda: api.whoami(token=token)) if (token := os.environ.get("HF_TOKEN")) else "",
        "private data": refused(lambda: api.dataset_info(f"driftune/{PRIVATE}")),
    }


def cut() -> dict[str, Any]:
    """A download whose connection is cut."""
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(f"driftune/{OTHER}", "adapter_model.safetensors", revision="v2")
    return {"size": Path(path).stat().st_size, "path": path}


def models() -> dict[str, Any]:
    """With transformers and peft."""
    import torch
    from peft import AutoPeftModelForCausalLM, PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    repo = f"driftune/{PUBLIC}"
    model = AutoModelForCausalLM.from_pretrained(BASE)
    ids = AutoTokenizer.from_pretrained(BASE)("a b c", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        bare = model(input_ids=ids).logits.sum().item()
        on = PeftModel.from_pretrained(model, repo, revision="stable")(input_ids=ids).logits.sum().item()
        auto = AutoPeftModelForCausalLM.from_pretrained(repo, revision="stable")(input_ids=ids).logits.sum().item()
        newer = AutoModelForCausalLM.from_pretrained(BASE)
        other = PeftModel.from_pretrained(newer, f"driftune/{PRIVATE}", revision="candidate")(input_ids=ids)
    return {"bare": bare, "on": on, "auto": auto, "other": other.logits.sum().item()}


def data() -> dict[str, Any]:
    """With datasets."""
    from datasets import load_dataset

    found = load_dataset(f"driftune/{PUBLIC}", revision="v1")
    row = found["train"][0]
    return {"rows": {split: len(rows) for split, rows in found.items()}, "row": row}


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"hub": hub, "cut": cut, "models": models, "data": data}[sys.argv[1]]()))
