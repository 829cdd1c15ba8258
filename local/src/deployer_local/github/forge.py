"""The local GitHub as one object: its parts put together, and what Python may ask of it.

Mount `app` at the root of a server that listens on loopback only: pushes are not authenticated. State is under `root`
(sqlite and bare repositories) and survives a kill at any point. Never opens a socket itself, but for webhooks.
"""

import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount

from . import shapes
from .apps import Apps, Installation
from .deployments import Deployment, Deployments, Environment
from .git import GitRepository
from .pulls import PullRequest, Pulls
from .pushes import Pushes
from .repositories import Clock, Repositories, Repository
from .rest import hooks as rest_hooks
from .rest.archives import Codeload, Tickets
from .rest.exchange import Forge
from .rest.server import SECONDARY, Fault, Rest
from .shapes import Urls
from .smart_http import SmartHttp
from .store import Store
from .webhooks import Delivery, Hook, Webhooks


@dataclass(frozen=True)
class Status:
    """A commit status as it was posted. `created_at` in seconds since the epoch."""

    sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    created_at: int


class GitHub:
    """`app` serves REST under `/api/v3`, archives under `/codeload` and git under `/{owner}/{name}.git`."""

    def __init__(
        self,
        root: Path,
        *,
        token: str,
        base_url: Callable[[], str] | str,
        login: str = "opolis-deployer",
        rate_limit: int = 5000,
        clock: Clock = time.time,
    ) -> None:
        """Opens or creates the state under `root`.

        `token`: the one that REST accepts; `login`: its user. `base_url`: the server's root, a callable where the port
        is not known yet. `rate_limit`: calls an hour. `clock`: seconds since the epoch.
        """
        (root / "repositories").mkdir(parents=True, exist_ok=True)
        self._base_url = base_url
        self._store = Store(root / "github.sqlite")
        self._repositories = Repositories(self._store, root / "repositories", clock)
        self._webhooks = Webhooks(self._store, clock)
        self._pushes = Pushes(self._store, self._repositories, self._webhooks, self._urls, clock)
        self._login = login
        self._deployments, self._pulls = Deployments(self._store, clock), Pulls(self._store, clock)
        self._apps = Apps(self._store, clock)
        self._forge = Forge(
            *(self._store, self._repositories, self._webhooks, self._urls, clock, login),
            *(self._deployments, self._pulls, self._apps, self._moved),
        )
        tickets = Tickets(secrets.token_bytes(32), clock)
        self._rest = Rest(self._forge, token, tickets, rate_limit)
        git = SmartHttp(self._repositories, self._pushed, self._webhooks.send_pending, lambda: self._urls().base)
        codeload = Codeload(self._repositories, tickets)
        self.app = Starlette(routes=[Mount("/api/v3", self._rest), Mount("/codeload", codeload), Mount("/", git)])

    def resume(self) -> None:
        """Announces pushes and sends deliveries that a kill cut off. Call once the server listens."""
        for repository in self._repositories.all():
            self._pushes.look(repository.id)
        self._webhooks.send_pending()

    def close(self) -> None:
        """Stops sending webhooks and closes the state."""
        self._webhooks.close()
        self._store.close()

    def create_repository(self, full_name: str, default_branch: str = "main") -> Repository:
        """A new, empty repository; the one that is there where the name is taken. ValueError for an illegal name."""
        return self._repositories.create(full_name, default_branch)

    def repository(self, full_name: str) -> Repository:
        """The repository with this name; KeyError when there is none."""
        return self._repositories.known(full_name)

    def repositories(self) -> list[Repository]:
        """Every repository, oldest first."""
        return self._repositories.all()

    def rename(self, full_name: str, new_name: str) -> Repository:
        """Renames, or transfers to another owner; the old name leads to the new one."""
        return self._repositories.rename(full_name, new_name)

    def set_default_branch(self, full_name: str, branch: str) -> Repository:
        """Changes the default branch to one that exists (ValueError otherwise)."""
        return self._repositories.set_default_branch(full_name, branch)

    def git(self, full_name: str) -> GitRepository:
        """The bare repository itself."""
        return self._repositories.git(self._repositories.known(full_name))

    def refs(self, full_name: str) -> dict[str, str]:
        """Every branch and tag, by its full name, with its object id."""
        return self.git(full_name).refs()

    def hide(self, full_name: str) -> None:
        """Takes the repository from the token's sight: REST answers 404 for it."""
        self._repositories.set_hidden(full_name, hidden=True)

    def show(self, full_name: str) -> None:
        """Gives it back."""
        self._repositories.set_hidden(full_name, hidden=False)

    def rotate_token(self, token: str) -> None:
        """From now on REST accepts this token only."""
        self._rest.rotate(token)

    def register_app(self, slug: str) -> tuple[int, str]:
        """A new GitHub App: its id, and its private key in PEM, which nobody is told again."""
        app, key = self._apps.register(slug)
        return app.id, key

    def install_app(
        self, app: int, owner: str, permissions: Mapping[str, str], repositories: Sequence[str] | None = None
    ) -> Installation:
        """Install an App at these repositories (`owner/name`) of an owner, at all of them for None.

        An installation that is there for the same owner takes these permissions and repositories instead.
        """
        chosen = None if repositories is None else [self._repositories.known(each).id for each in repositories]
        return self._apps.install(app, owner, permissions, chosen)

    def suspend_app(self, installation: int) -> None:
        """The App may do nothing there any more."""
        self._apps.suspend(installation)

    def end_app_tokens(self) -> None:
        """Every token of an installation ends, before its hour is over."""
        self._apps.revoke()

    def add_hook(self, full_name: str | None, url: str, secret: str, events: tuple[str, ...] = ("push",)) -> Hook:
        """A webhook of one repository, or of all of them for None; pings it.

        A hook that is there for the same repository and address takes the new secret and events instead.
        """
        repository = self._repositories.known(full_name) if full_name is not None else None
        identity = repository.id if repository else None
        same = [hook for hook in self._webhooks.hooks() if (hook.repository_id, hook.url) == (identity, url)]
        if same:
            return self._webhooks.change(same[0].id, secret=secret, events=events, active=True)
        hook = self._webhooks.add(repository, url, secret, events)
        sender = shapes.user(self._urls(), self._login, self._repositories.user_id(self._login))
        rest_hooks.ping(self._webhooks, self._urls(), hook, repository, sender)
        self._webhooks.send_pending()
        return hook

    def hooks(self) -> list[Hook]:
        """Every hook, oldest first."""
        return self._webhooks.hooks()

    def remove_hook(self, identity: int) -> None:
        """Removes a hook; KeyError when there is none."""
        self._webhooks.remove(identity)

    def deliveries(self) -> list[Delivery]:
        """Every delivery of every hook, oldest first, those under way included."""
        return self._webhooks.deliveries()

    def redeliver(self, guid: str) -> Delivery:
        """Sends the newest delivery with this GUID again, under the same GUID. KeyError when there is none."""
        found = [each for each in self._webhooks.deliveries() if each.guid == guid]
        if not found:
            raise KeyError(guid)
        return self._webhooks.redeliver(found[-1].id)

    def drop_delivery(self, predicate: Callable[[Delivery], bool] = lambda _: True) -> None:
        """Loses the next delivery for which `predicate` holds: recorded as lost, never sent."""
        self._webhooks.drop(predicate)

    def settle(self, seconds: float = 30.0) -> bool:
        """Waits until every recorded delivery was tried; False when that took longer."""
        return self._webhooks.settle(seconds)

    def statuses(self, full_name: str, sha: str) -> list[Status]:
        """Every status of a commit, oldest first; the last one of a context is the one that holds."""
        columns = "sha, context, state, description, target_url, created_at"
        sql = f"select {columns} from statuses where repository_id = ? and sha = ? order by id"  # noqa: S608 - constant
        return [Status(*row) for row in self._store.read(sql, self._repositories.known(full_name).id, sha)]

    def deployments(self, full_name: str) -> list[Deployment]:
        """Every deployment, newest first, with its statuses."""
        return self._deployments.listed(self._repositories.known(full_name))

    def environments(self, full_name: str) -> list[Environment]:
        """Every environment, oldest first."""
        return self._deployments.environments(self._repositories.known(full_name))

    def open_pull_request(self, full_name: str, head: str, base: str, title: str) -> PullRequest:
        """A new pull request from branch `head` into `base`, in the owner's name; the open one where there is one.

        ValueError where there is nothing to pull.
        """
        repository = self._repositories.known(full_name)
        refs = self.refs(full_name)
        return self._pulls.open(repository, refs, head=head, base=base, title=title)

    def pull_requests(self, full_name: str) -> list[PullRequest]:
        """Every pull request, newest first."""
        return self._pulls.listed(self._repositories.known(full_name))

    def allow_administration(self, *, allowed: bool) -> None:
        """Whether the token may make and remove environments, as one for deployments alone may not (403)."""
        self._forge.rights.administration = allowed

    def fail_next(
        self,
        path_regex: str,
        status: int,
        headers: Mapping[str, str] | None = None,
        *,
        times: int = 1,
        message: str = "Server Error",
    ) -> None:
        """The next `times` REST calls whose path (below `/api/v3`, encoded) matches are answered with `status`."""
        self._rest.fail_next(Fault(re.compile(path_regex), status, headers or {}, message), times)

    def slow_down(self, path_regex: str, *, seconds: int | None = 60, status: int = 403, times: int = 1) -> None:
        """The next `times` REST calls whose path matches meet a secondary rate limit, 403 or 429, as on GitHub.

        `seconds`: what Retry-After says; None for none. Source:
        https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
        """
        headers = {} if seconds is None else {"Retry-After": str(seconds)}
        message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        self._rest.fail_next(Fault(re.compile(path_regex), status, headers, message, SECONDARY), times)

    def _urls(self) -> Urls:
        return Urls(self._base_url if isinstance(self._base_url, str) else self._base_url())

    def _moved(self, repository: Repository) -> None:
        self._pushes.look(repository.id, self._login)
        self._webhooks.send_pending()

    async def _pushed(self, identity: int, login: str | None) -> None:
        await run_in_threadpool(self._pushes.look, identity, login)
