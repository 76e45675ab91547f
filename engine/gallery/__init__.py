"""The use cases, and all that a page or another program needs of the engine, in one place."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.albums.album import LONGEST_NAME, MOST_ALBUMS, Album, AlbumSet, AlbumsRejected, album_of
from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET, LEAVES_AT, nearest_budget
from engine.exits.certificate import FULL_DEPTH, Certificate
from engine.exits.phrases import typed_phrases
from engine.gallery.albums import Aside, albums_of, edit_albums, list_albums, propose_albums, sort_gallery
from engine.gallery.budget_cost import BudgetCost, budget_cost, deeper_than
from engine.gallery.comparison import Agreement, Comparison, FullRun, compare_rankings
from engine.gallery.encoder_cache import ENCODERS_KEPT
from engine.gallery.galleries import (
    delete_gallery,
    delete_photos,
    filling,
    find_gallery,
    get_photo,
    get_photos,
    list_galleries,
    list_photos,
    open_gallery,
    publish_gallery,
    published_gallery,
    rename_gallery,
    require_model,
    stored_hashes,
    summarize_gallery,
    typical_photos,
    years_of,
)
from engine.gallery.ingest import fit_exits, ingest_files
from engine.gallery.library import Library
from engine.gallery.photo_map import Place, map_gallery
from engine.gallery.quotas import TooMuch, Visitors
from engine.gallery.reencode import reencode_gallery
from engine.gallery.search import (
    correct_spelling,
    embed_picture,
    embed_query,
    explain_photo,
    list_hits,
    rank_gallery,
    rank_photos,
    reads_to_end,
    refine_search,
    run_to_full_depth,
    search_photos,
)
from engine.gallery.shipped_race import Measured, shipped_race
from engine.gallery.speed_race import MOST as MOST_RACED
from engine.gallery.speed_race import Lap, Race
from engine.gallery.stacks import stacks_among
from engine.gallery.types import (
    Deepened,
    ExitScore,
    GallerySummary,
    Hit,
    IngestReport,
    Looks,
    Photo,
    Progress,
    Refinement,
    SortedGallery,
    SortedPhoto,
    with_look,
)
from engine.ingest.decode import Skipped
from engine.ingest.image import clean_name
from engine.ingest.kept_picture import OriginalGone, PictureGone, open_kept, read_original
from engine.ingest.listing import folder_uploads, uploads_of
from engine.ingest.upload import Upload, read_file
from engine.search.query_parser import DROPPED, Query, QueryRejected, is_english, subtract_unwanted
from engine.search.query_parser import LONGEST as LONGEST_QUERY
from engine.search.ranking import Ranking
from engine.search.relevance import standing
from engine.storage.dates import UNDATED, Order
from engine.storage.schema import GalleryMissing, ModelChanged, PhotoMissing
from engine.utils.atomic_files import write_whole
from engine.utils.data_dir import home, lend_temporary_folder
from engine.utils.errors import EngineError, HostProblem, first_line
from engine.utils.file_names import folded, safe_name
from engine.utils.memory import without_garbage_collection
from engine.utils.paths import ASSETS, DEMO_GALLERY, RESULTS
from engine.utils.progress import progress_bar

if TYPE_CHECKING:
    from engine.clip.factory import named
    from engine.exits.batch import Encoding
    from engine.exits.encoder import Encoder, Standing
    from engine.exits.ladder import Stage
    from engine.exits.loading import load_encoder

# What brings PyTorch with it is loaded when it is asked for: the page opens before.
_LATER = {
    "Encoder": "engine.exits.encoder",
    "Encoding": "engine.exits.batch",
    "Stage": "engine.exits.ladder",
    "Standing": "engine.exits.encoder",
    "load_encoder": "engine.exits.loading",
    "named": "engine.clip.factory",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
