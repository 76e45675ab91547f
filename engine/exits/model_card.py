"""The model card of exit weights on the Hub, written from the weights themselves."""

from engine.exits.encoder import Encoder
from engine.exits.modules import Exit
from engine.utils.markdown import table_lines

ABOUT = """\
Readouts and gates that let a CLIP image encoder stop early on easy photos: an independent implementation of the
idea of Text-Guided Exit Modules (arXiv 2605.17499). The model's own weights are not in them. They fit one model:
`{name}` with the weights below. Others are refused.
"""
TOWERS = (
    "Smaller towers run the first passes. They are fine-tuned from timm's {names} (ImageNet weights, Apache-2.0).\n"
)
COSTS = """\
A photo pays for all stages up to the exit that it leaves at, and a photo that goes to the end runs each of them once.
The model's own tower alone is {own:.3f} of that.
"""


def _place(exit: Exit) -> str:
    """Where an exit stands, in words."""
    return f"a pass of `{exit.tower}` at {exit.size} px" if exit.tower else f"`{exit.stage}`"


def card(encoder: Encoder, repo: str) -> str:
    """A model card in Markdown: which model the exits are for, where they stand, what each costs, how to use them.

    Args: repo: the Hub repository that it will stand in.
    """
    name = encoder.identity.model
    shares = [macs / encoder.full_macs for macs in encoder.exit_macs]
    trunks = ", ".join(f"`{exit.tower}`" for exit in encoder.modules.exits if exit.tower)
    rows = [
        [str(k), _place(exit), f"{share:.3f}"]
        for k, (exit, share) in enumerate(zip(encoder.modules.exits, shares, strict=False), start=1)
    ]
    rows.append([str(encoder.exits), "the end", "1"])
    lines = [
        "---",
        "library_name: open_clip",
        "pipeline_tag: zero-shot-image-classification",
        "tags: [clip, early-exit, text-to-image-search]",
        "---",
        f"# Exit modules for {name}",
        "",
        ABOUT.format(name=name),
        *([TOWERS.format(names=trunks)] if trunks else []),
        "```bash",
        f"python -m engine pull {repo} --model {name}",
        f"python app.py --model {name}",
        "```",
        "",
        "## Where the exits stand",
        "",
        *table_lines(["exit", "after", "share of the full encoder's multiply-accumulates"], rows),
        "",
        COSTS.format(own=sum(encoder.backbone.stage_macs) / encoder.full_macs),
        "## Files",
        "",
        "`tgem.safetensors` holds the tensors in float16, `tgem.json` what they are; each names the other's hash.",
        f"Model weights (SHA-256): `{encoder.identity.weights}`",
        "",
    ]
    return "\n".join(lines)
