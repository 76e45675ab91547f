"""The components of the page, by name: what handlers read and change."""

from typing import Any

import gradio as gr
from gradio.blocks import Block

Updates = dict[Block, Any]  # what a handler returns: each component that it changes, and its new value
# labels of buttons
STOP, STOPPING, FIT, DELETE = "Stop", "Stopping …", "Fit exit modules on this gallery", "Delete this gallery"


def button(label: str, shown: bool, pressable: bool = True) -> dict[str, Any]:
    """The update by which a button is there or not, to be pressed again where it has been.

    Gradio has lost the label of one that was hidden at first.
    """
    return gr.update(value=label, visible=shown, interactive=pressable)


class Parts:
    """The page's components, from top to bottom; `app.layout` creates them."""

    session: gr.State
    browser: gr.BrowserState  # what the visitor's browser remembers

    gallery: gr.Dropdown
    headline: gr.HTML
    tools: gr.HTML
    chip: gr.HTML
    query: gr.Textbox
    picture: gr.UploadButton
    refine: gr.Checkbox
    suggestions: gr.HTML
    notice: gr.HTML
    arriving: gr.HTML
    adds_to: gr.HTML  # what the field for dropped files says
    tabs: gr.Tabs

    answer: gr.HTML
    arrangement: gr.HTML
    file: gr.HTML  # a ranking or an album's photos to save
    grid: gr.HTML
    panel: gr.HTML

    albums_tab: gr.Tab
    album_words: gr.Textbox
    album_proposals: gr.HTML
    album_line: gr.HTML
    stop_albums: gr.Button
    album_board: gr.HTML

    gallery_tab: gr.Tab
    figures: gr.HTML
    histogram: gr.HTML
    curve: gr.HTML
    map: gr.HTML
    no_exits: gr.HTML
    fit: gr.Button
    stop_fit: gr.Button
    budget: gr.Slider
    budget_preview: gr.HTML
    looked_for: gr.Textbox
    apply: gr.Button
    stop_apply: gr.Button
    applied: gr.HTML
    rename: gr.Textbox
    public: gr.Checkbox
    link: gr.HTML
    delete: gr.Button
    renamed: gr.HTML

    compare_tab: gr.Tab
    race: gr.HTML
    start_race: gr.Button
    stop_race: gr.Button
    rankings: gr.HTML

    add_to: gr.Textbox
    server_folder: gr.Textbox
    stop_upload: gr.Button
    report: gr.HTML

    screens: gr.HTML
    viewer: gr.HTML
    timer: gr.Timer
    coming: gr.Timer

    @property
    def offering(self) -> list[Block]:
        """What names the gallery that photos would go to."""
        return [self.add_to, self.adds_to]

    @property
    def results(self) -> list[Block]:
        """What a search changes."""
        return [self.headline, self.suggestions, self.chip, self.answer, self.arrangement, self.grid, self.panel]

    @property
    def another_gallery(self) -> list[Block]:
        """What changes with the gallery on show."""
        return [self.notice, self.gallery, self.query, *self.offering, self.browser, *self.results]

    @property
    def album_parts(self) -> list[Block]:
        """What the albums' tab shows."""
        return [self.album_words, self.album_proposals, self.album_line, self.stop_albums, self.album_board]

    @property
    def overview(self) -> list[Block]:
        """What the gallery tab shows of a gallery."""
        return [*self.drawn_overview, self.apply, self.headline]

    @property
    def drawn_overview(self) -> list[Block]:
        """What of that we draw ourselves."""
        return [self.figures, self.histogram, self.curve, self.budget_preview]

    @property
    def settings(self) -> list[Block]:
        """What a gallery's owner sets, and what was said of that."""
        return [
            *(self.budget, self.looked_for, self.rename, self.public, self.link, self.delete),
            *(self.renamed, self.applied),
        ]

    @property
    def comparison(self) -> list[Block]:
        """What the compare tab shows."""
        return [self.race, self.rankings, self.start_race]
