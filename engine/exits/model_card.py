"""The model card of exit weights on the Hub, written from the weights themselves."""

from engine.clip.small_tower import TRUNK
from engine.exits.encoder import Encoder
from engine.exits.modules import Exit

ABOUT = """\
Readouts and gates{scout} that let a CLIP image encoder stop early on easy photos: an independent implementation of the
idea of Text-Guided Exit Modules (arXiv 2605.17499). The model's own weights are not in them. They fit one model:
`{name}` with the weights below. Others are refused.
"""
SCOUT = f" and a smaller tower for the first passes, fine-tuned from timm's `{TRUNK}` (ImageNet weights, Apache-2.0)"


def _input(exit: Exit) -> str:
    """Of which pass an exit is, in words."""
    return f"{' of the scout' if exit.scout else ''}{f' at {exit.size} px' if exit.size else ''}"


def card(encoder: Encoder, repo: str) -> str:
    """A model card in Markdown: which model the exits are for, where they stand, what each costs, how to use them.

    Args: repo: the Hub repository that it will stand in.
    """
    name = encoder.identity.model
    shares = [macs / encoder.full_macs for macs in encoder.forced_macs]
    lines = [
        "---",
        "library_name: open_clip",
        "pipeline_tag: zero-shot-image-classification",
        "tags: [clip, early-exit, text-to-image-search]",
        "---",
        f"# Exit modules for {name}",
        "",
        ABOUT.format(name=name, scout="" if encoder.modules.scout is None else SCOUT),
        "```bash",
        f"python -m engine pull {repo} --model {name}",
        f"python app.py --model {name}",
        "```",
        "",
        "## Where the exits stand",
        "",
        "| exit | after | share of the full encoder's multiply-accumulates |",
        "| --- | --- | --- |",
        *(
            f"| {k} | `{exit.stage}`{_input(exit)} | {share:.3f} |"
            for k, (exit, share) in enumerate(zip(encoder.modules.exits, shares, strict=False), start=1)
        ),
        f"| {encoder.exits} | the end | 1 |",
        "",
        "## Files",
        "",
        "`tgem.safetensors` holds the tensors in float16, `tgem.json` what they are; each names the other's hash.",
        f"Model weights (SHA-256): `{encoder.identity.weights}`",
        "",
    ]
    return "\n".join(lines)
