"""A depot in memory, made with keys in memory: for the tests of whatever reads one, or stands in for somebody evil.

    depot = SimulatedDepot(NOW, "machines")
    release = depot.release("machines", "1.0.0", content)
    depot.offer(channel_of("machines", release))
    client = Client(folder, depot.follow("machines"), depot, NOW, NOW)

It is its own fetcher. `files` is what it serves, to be saved, mixed, cut or replaced; `asked` is what it was asked for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    T,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from hakobu_runtime.channel.fetch import AbsentError, BrokenError, Content, Fetcher
from hakobu_runtime.format.channel import SCHEMA, Channel, Patch, Release, bundle_target, channel_target
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.follow import SCHEMA as FOLLOW
from hakobu_runtime.format.follow import Follow

YEAR = timedelta(days=365)
TOP = ("root", "targets", "snapshot", "timestamp")


def channel_of(model: str, *releases: Release, name: str = "stable", **others: object) -> Channel:
    """Return a channel that offers `releases`, the newest first."""
    return Channel(SCHEMA, model, name, releases, **others)  # type: ignore[arg-type]


class SimulatedDepot(Fetcher):
    """A depot of some models; each publishing signs snapshot and timestamp anew."""

    place = "memory"

    def __init__(
        self, now: datetime, *models: str, root_keys: int = 1, threshold: int = 1, life: timedelta = YEAR
    ) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, int]] = []
        self.cut: dict[str, int] = {}
        """Names of files that break off, once, after so many bytes."""
        self.now, self.life, self.threshold = now, life, threshold
        self.keys: dict[str, list[Signer]] = {role: [new_key()] for role in (*TOP, *models)}
        self.keys["root"] = [new_key() for _ in range(root_keys)]
        self.models = models
        self.targets = {model: Targets(expires=self._expiry()) for model in models}
        self.top = Targets(expires=self._expiry(), delegations=self._delegations())
        self.snapshot = Snapshot(expires=self._expiry())
        self.timestamp = Timestamp(expires=self._expiry())
        self.root = self._new_root(1)
        self.write("1.root", self.root, self.keys["root"])
        for role in (self.top, *self.targets.values(), self.snapshot, self.timestamp):
            role.version = 0
        self.publish()

    @contextmanager
    def read(self, name: str, start: int = 0) -> Iterator[Content]:
        """Open a file; see Fetcher."""
        self.asked.append((name, start))
        if name not in self.files:
            raise AbsentError(f"memory/{name}: there is no such file")
        yield Content(start, self._chunks(name, start))

    def _chunks(self, name: str, start: int) -> Iterator[bytes]:
        end = start + self.cut.pop(name) if name in self.cut else None
        for offset in range(start, len(self.files[name]) if end is None else end, 1 << 16):
            yield self.files[name][offset : min(offset + (1 << 16), end or len(self.files[name]))]
        if end is not None:
            raise BrokenError(f"memory/{name}: broke off")

    def follow(self, model: str, channel: str = "stable", since: datetime | None = None) -> Follow:
        """Return the settings of a device that trusts the newest root."""
        root = self.files[f"metadata/{self.root.version}.root.json"].decode()
        return Follow(FOLLOW, model, channel, root, (since or self.now).isoformat())

    def put(self, target: str, content: bytes) -> TargetFile:
        """Add a target to the role of its model, which the next publishing signs."""
        digest = sha256(content).hexdigest()
        folder, _, name = target.rpartition("/")
        self.files[f"targets/{folder}/{digest}.{name}"] = content
        found = TargetFile(len(content), {"sha256": digest}, target)
        self.targets[target.partition("/")[0]].targets[target] = found
        return found

    def release(self, model: str, version: str, content: bytes, rollout: int = 100, **others: object) -> Release:
        """Put `content` as a bundle; return the release that offers it."""
        target = bundle_target(model, version)
        digest = self.put(target, content).hashes["sha256"]
        made = self.now.isoformat()
        return Release(version, digest, target, len(content), made, rollout, **others)  # type: ignore[arg-type]

    def patch(self, model: str, version: str, base: bytes, patch: bytes) -> Patch:
        """Put `patch` as the way from `base` to a release; return what names it."""
        digest = sha256(base).hexdigest()
        target = f"{model}/{version}/from-{digest[:16]}.patch"
        self.put(target, patch)
        return Patch(digest, target, len(patch))

    def offer(self, channel: Channel, now: datetime | None = None) -> None:
        """Put the file of `channel`, and publish."""
        self.put(channel_target(channel.model, channel.name), encode(channel))
        self.publish(now)

    def publish(self, now: datetime | None = None) -> None:
        """Sign everything anew but the root."""
        self.now = now or self.now
        signed: dict[str, Targets] = {"targets": self.top, **self.targets}
        for name, role in signed.items():
            role.version += 1
            role.expires = self._expiry()
            content = self.write(f"{role.version}.{name}", role, self.keys[name])
            self.snapshot.meta[f"{name}.json"] = _described(role.version, content)
        self.snapshot.version += 1
        self.snapshot.expires = self._expiry()
        content = self.write(f"{self.snapshot.version}.snapshot", self.snapshot, self.keys["snapshot"])
        self.timestamp.snapshot_meta = _described(self.snapshot.version, content)
        self.stamp()

    def stamp(self, now: datetime | None = None) -> None:
        """Sign the timestamp anew, as is done every day."""
        self.now = now or self.now
        self.timestamp.version += 1
        self.timestamp.expires = self._expiry()
        self.timestamp.unrecognized_fields["x-hakobu-made"] = self.now.isoformat()
        self.write("timestamp", self.timestamp, self.keys["timestamp"])

    def rotate(self, role: str, *signers: Signer) -> None:
        """Give `role` a new key, by a new root (or the top targets role) that `signers`, or all root keys, sign."""
        old = self.keys["root"]
        self.keys[role] = [new_key() for _ in self.keys[role]]
        if role in self.models:
            self.top.delegations = self._delegations()
            return
        self.root = self._new_root(self.root.version + 1)
        both = [*old, *self.keys["root"]] if role == "root" else old
        self.write(f"{self.root.version}.root", self.root, list(signers) or both)

    def write(self, name: str, signed: T, signers: list[Signer]) -> bytes:
        """Sign metadata and serve them."""
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        content = metadata.to_bytes(JSONSerializer())
        self.files[f"metadata/{name}.json"] = content
        return content

    def _expiry(self) -> datetime:
        return (self.now + self.life).replace(microsecond=0)

    def _new_root(self, version: int) -> Root:
        keys = {signer.public_key.keyid: signer.public_key for role in TOP for signer in self.keys[role]}
        roles = {
            role: Role([signer.public_key.keyid for signer in self.keys[role]], self.threshold if role == "root" else 1)
            for role in TOP
        }
        return Root(
            version=version, expires=self._expiry() + 9 * YEAR, keys=keys, roles=roles, consistent_snapshot=True
        )

    def _delegations(self) -> Delegations:
        signers = {model: self.keys[model][0] for model in self.models}
        roles = {
            model: DelegatedRole(model, [signer.public_key.keyid], 1, True, paths=[f"{model}/*", f"{model}/*/*"])
            for model, signer in signers.items()
        }
        return Delegations({s.public_key.keyid: s.public_key for s in signers.values()}, roles)


def new_key() -> Signer:
    """Return a key that nobody has seen before."""
    return CryptoSigner.generate_ecdsa()


def _described(version: int, content: bytes) -> MetaFile:
    return MetaFile(version, len(content), {"sha256": sha256(content).hexdigest()})
