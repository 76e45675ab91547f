"""Models, exit weights and Spaces to and from the Hub; every failure is turned into a sentence."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.utils.errors import HostProblem

EXITS = ("tgem.json", "tgem.safetensors")
OWN_FILE = "engine/__main__.py"  # by which a Space of this product is told from others
NO_ACCESS = (401, 403)
PAYMENT_REQUIRED = 402
NEW_FILES = {"README.md", ".gitattributes"}  # that a Space may hold from the start


class HubUnreachable(HostProblem):
    """The Hub does not answer, or this process was told to stay offline, and the file is not here yet."""


class HubMissing(HostProblem):
    """A repository or a file in it is not there, or not for us to read or write."""


class HubFileMissing(HubMissing):
    """A repository is there, and for us to read, and has no such file."""


@dataclass(frozen=True)
class Snapshot:
    """The exit weights of a repository as one commit has them."""

    repo: str
    commit: str
    folder: Path


def fetch(repo: str, file: str, revision: str | None = None) -> Path:
    """A file of a Hub repository, from this machine's cache where it is there already.

    Raises: HubFileMissing where the repository lacks it; HubMissing, HubUnreachable.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(hf_hub_download(repo, file, revision=revision))
    except LocalEntryNotFoundError as error:
        if (refusal := error.__cause__) is not None and _code(refusal) in NO_ACCESS:
            raise _refused(refusal, repo, file) from error
        raise HubUnreachable(_unreachable(f"{file} of {repo}")) from error
    except HFValidationError as error:
        raise _no_name(repo) from error
    except EntryNotFoundError as error:
        raise HubFileMissing(f"Nothing there (404) for {file} of the Hub repository {repo}; check its name.") from error
    except RevisionNotFoundError as error:
        raise HubMissing(f"The Hub repository {repo} has no revision {revision or 'main'}; check its name.") from error
    except HfHubHTTPError as error:
        raise _refused(error, repo, file) from error
    except OSError as error:
        raise HubUnreachable(f"{file} of {repo} could not be kept ({error.strerror or error}).") from error
    except _network_errors() as error:
        raise HubUnreachable(_unreachable(f"{file} of {repo}")) from error


def first_of(repo: str, files: Sequence[str], revision: str | None = None) -> Path | None:
    """The first of these files that a repository has, or None; raises HubMissing, HubUnreachable."""
    for file in files:
        try:
            return fetch(repo, file, revision)
        except HubFileMissing:
            continue
    return None


def fetch_exits(repo: str, revision: str | None = None) -> Snapshot | None:
    """The exit weights of a repository, both files of one commit; None where it has none.

    Args: revision: a branch, a tag or a commit; by default the main branch.
    Raises: HubUnreachable; HubMissing where it is not there or not for us to read, or has one file of the two.
    """
    described = first_of(repo, EXITS[:1], revision)
    if described is None:
        return None
    commit = described.parent.name  # the cache keeps the files of a commit in a folder of its name
    return Snapshot(repo, commit, fetch(repo, EXITS[1], commit).parent)


def push(repo: str, files: Mapping[str, bytes], message: str, private: bool = False) -> str:
    """Put files into a repository, made if it is not there, in one commit; returns the commit.

    Raises: HubUnreachable, HubMissing.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    with _writing(repo):
        api.create_repo(repo, private=private, exist_ok=True)
        additions = [CommitOperationAdd(name, data) for name, data in files.items()]
        return api.create_commit(repo, additions, commit_message=message).oid


def push_space(repo: str, folder: Path, private: bool, zerogpu: bool) -> str:
    """Make a Gradio Space, new or of this product already, hold exactly a folder's files; returns its address.

    Args: private, zerogpu (ask for that hardware): where the Space is new.
    Raises: HubUnreachable, HubMissing.
    """
    from huggingface_hub import HfApi, SpaceHardware

    api, hardware = HfApi(), SpaceHardware.ZERO_A10G if zerogpu else None
    with _writing(repo):
        space = api.create_repo(
            repo, repo_type="space", space_sdk="gradio", space_hardware=hardware, private=private, exist_ok=True
        )
        held = set(api.list_repo_files(repo, repo_type="space"))
        if OWN_FILE not in held and held - NEW_FILES:
            raise HubMissing(f"The Space {repo} holds another app, which would be lost; name a new Space.")
        api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            repo_type="space",
            delete_patterns="*",
            commit_message="Deploy T-GEM search",
        )
    return str(space)


def require_repo_name(repo: str) -> None:
    """Raise HubMissing for what cannot be the name of a repository."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
        if "/" not in repo:
            raise HFValidationError
    except HFValidationError as error:
        raise _no_name(repo) from error


@contextmanager
def _writing(repo: str) -> Iterator[None]:
    """Raise HubUnreachable or HubMissing for what can happen while a repository is written to."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    try:
        yield
    except HFValidationError as error:
        raise _no_name(repo) from error
    except LocalTokenNotFoundError as error:
        raise HubMissing("Writing to the Hub needs a token: log in with `hf auth login`, or set HF_TOKEN.") from error
    except HfHubHTTPError as error:
        reason = f"{_status(error)} when writing to {repo}"
        if error.response is not None and error.response.status_code == PAYMENT_REQUIRED:
            raise HubMissing(f"{reason}: this account may not have that for free; see what its plan allows.") from error
        raise HubMissing(f"{reason}; log in with `hf auth login`, or set HF_TOKEN, for an account that may.") from error
    except OfflineModeIsEnabled as error:
        raise HubUnreachable("HF_HUB_OFFLINE is set; unset it to write to the Hub.") from error
    except RuntimeError as error:  # what the Hub's library makes of any failure on the way of a large file
        raise HubUnreachable(
            f"The upload to {repo} broke off and nothing was changed there; check the network and try again."
        ) from error
    except _network_errors() as error:
        raise HubUnreachable("The Hub does not answer; check the network and try again.") from error


def _no_name(repo: str) -> HubMissing:
    return HubMissing(f"{repo!r} is not a name of a Hub repository; it is written ORGANISATION/NAME.")


def _network_errors() -> tuple[type[Exception], ...]:
    """What the Hub's library raises where no answer comes: the family of its own errors, which has changed its name."""
    from huggingface_hub.errors import HfHubHTTPError

    return (OSError, *(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)))


def _unreachable(what: str) -> str:
    from huggingface_hub.constants import is_offline_mode

    if is_offline_mode():
        return f"{what} is not on this machine and HF_HUB_OFFLINE is set; unset it once to fetch it."
    return (
        f"{what} could not be fetched: the Hub does not answer. Check the network and try again. A model can be copied "
        "here, too: --model local-dir:PATH names its folder."
    )


def _refused(error: BaseException, repo: str, file: str) -> HubMissing:
    mend = "check its name"
    if _code(error) in NO_ACCESS:  # the Hub does not tell who may not read a repository whether it is there
        mend += ", or log in with `hf auth login`, or set HF_TOKEN, for an account that may read it"
    return HubMissing(f"{_status(error)} for {file} of the Hub repository {repo}; {mend}.")


def _code(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _status(error: BaseException) -> str:
    code = _code(error)
    return {401: "No access (401)", 403: "No access (403)", 404: "Nothing there (404)"}.get(
        code or 0, f"The Hub answers {code}" if code else "The Hub refuses"
    )
