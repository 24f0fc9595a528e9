"""Changes to a depot that come out together or not at all: all is signed first, and the timestamp is written last."""

from copy import deepcopy
from datetime import datetime
from typing import Any

import msgspec
from tuf.api.metadata import DelegatedRole, Delegations, Key, Metadata, MetaFile, Root, Signed, TargetFile, Targets

from hakobu.depot.depot import METADATA, Depot, open_depot, receipt_keys_in
from hakobu.depot.disk import put_on_disk
from hakobu.depot.keychain import Keychain, add_signature
from hakobu.depot.roles import SNAPSHOT, TARGETS, TIMESTAMP, renew
from hakobu_runtime.channel.offer import MADE
from hakobu_runtime.errors import DamageError
from hakobu_runtime.format.channel import Channel, Release, channel_target
from hakobu_runtime.format.codec import encode


class Edition:
    """A depot as it will be; nothing of it is on the disk before `publish`."""

    def __init__(self, depot: Depot, keychain: Keychain, now: datetime) -> None:
        """Begin with `depot` as it is."""
        self.depot = depot
        self.keychain = keychain
        self.now = now
        self._changed: dict[str, Metadata[Targets]] = {}
        self._channels: dict[str, dict[str, Channel]] = {}
        self._files: list[tuple[TargetFile, bytes]] = []
        self._snapshot = deepcopy(depot.snapshot)
        self._timestamp = deepcopy(depot.timestamp)
        self._snapshot_wanted = False

    def targets(self) -> Targets:
        """Return what the role `targets` will sign, to be changed."""
        return self._changed.setdefault(TARGETS, deepcopy(self.depot.targets)).signed

    def model(self, name: str) -> Targets:
        """Return what the role of a model will sign, to be changed; raise UsageError when there is no such model."""
        if name not in self._changed:
            self.depot.model(name)
            self._changed[name] = deepcopy(self.depot.models[name])
        return self._changed[name].signed

    def delegate(self, model: str, key: Key) -> None:
        """Let `key` sign a new model: the names of its targets begin with the model's."""
        signed = self.targets()
        if signed.delegations is None or signed.delegations.roles is None:
            signed.delegations = Delegations({}, {})
        # A pattern's star does not reach over a slash, and every target of a model has two.
        role = DelegatedRole(model, [], 1, terminating=True, paths=[f"{model}/*/*"])
        signed.delegations.roles = {**(signed.delegations.roles or {}), model: role}
        signed.add_key(key, model)
        self._changed[model] = Metadata(Targets())

    def read_bundle(self, model: str, release: Release) -> bytes:
        """Return the bundle of a release that the depot has; raise StateError when it is missing or damaged."""
        file = self.depot.model(model).targets.get(release.target)
        if file is None:
            raise DamageError(
                f"{self.depot.path}: {release.target} is not among the targets of {model}; take it from a copy"
            )
        return self.depot.read(file)

    def put(self, model: str, target: str, content: bytes) -> None:
        """Publish `content` as `target`."""
        file = TargetFile.from_data(target, content, ["sha256"])
        self.model(model).targets[target] = file
        self._files.append((file, content))

    def channels(self, model: str) -> tuple[Channel, ...]:
        """Return the channels of a model, as they will be."""
        if model not in self._channels:
            names = self.depot.channels(model) if model in self.depot.models else ()
            self._channels[model] = {name: self.depot.channel(model, name) for name in names}
        return tuple(self._channels[model].values())

    def put_channel(self, channel: Channel) -> None:
        """Publish what a channel holds, with the keys of receipts as they are now."""
        targets = self._changed.get(TARGETS, self.depot.targets).signed
        channel = msgspec.structs.replace(channel, receipt_keys=receipt_keys_in(targets))
        self.channels(channel.model)
        self._channels[channel.model][channel.name] = channel
        self.put(channel.model, channel_target(channel.model, channel.name), encode(channel))

    def renew(self, role: str, days: int | None = None) -> None:
        """Sign a role anew, to hold for `days` from now on if they are given; root has its own way."""
        signed: Signed
        if role == TIMESTAMP:  # which is signed at every change
            signed = self._timestamp.signed
        elif role == SNAPSHOT:
            self._snapshot_wanted = True
            signed = self._snapshot.signed
        else:
            signed = self.targets() if role == TARGETS else self.model(role)
        renew(signed, self.now, days)

    def check_key(self, role: str) -> None:
        """Raise TrustError when the key of one of TUF's own roles is not here."""
        sign_with(self.keychain, deepcopy(self._timestamp), role, self.depot.root.signed)

    def publish(self) -> Depot:
        """Sign what was changed, put it on the disk, and return the depot as it then is.

        Raises TrustError when a key is wanted, and StateError when the disk refuses; then the depot is as it was.
        """
        for model in self._channels:
            self._drop_unused(model)
        signed = self._sign()
        for file, content in self._files:
            put_on_disk(self.depot.place(file), content)
        for name, metadata in signed.items():
            version = "" if name == TIMESTAMP else f"{metadata.signed.version}."
            put_on_disk(self.depot.path / METADATA / f"{version}{name}.json", metadata.to_bytes())
        return open_depot(self.depot.path)

    def _drop_unused(self, model: str) -> None:
        """Keep only the targets of a model that its channels name; the files of others go when no metadata do."""
        targets = self.model(model).targets
        releases = [release for channel in self.channels(model) for release in channel.releases]
        wanted = {channel_target(model, channel.name) for channel in self.channels(model)}
        wanted |= {release.target for release in releases}
        wanted |= {patch.target for release in releases for patch in release.patches}
        for target in targets.keys() - wanted:
            del targets[target]

    def _sign(self) -> dict[str, Metadata[Any]]:
        """Return all that is new, in the order of writing: whatever names another comes after it."""
        root = self.depot.root.signed
        targets = self._changed.get(TARGETS, self.depot.targets).signed
        signed: dict[str, Metadata[Any]] = {}
        for name, metadata in sorted(self._changed.items(), key=lambda item: item[0] == TARGETS):
            signed[name] = self._next(name, metadata, root if name == TARGETS else targets)
            self._snapshot.signed.meta[f"{name}.json"] = MetaFile(metadata.signed.version)
        if signed or self._snapshot_wanted:
            signed[SNAPSHOT] = self._next(SNAPSHOT, self._snapshot, root)
            self._timestamp.signed.snapshot_meta = MetaFile(self._snapshot.signed.version)
        made = max(self.now.replace(microsecond=0), self.depot.made)  # the clock may be an hour behind, devices are not
        self._timestamp.signed.unrecognized_fields[MADE] = made.isoformat()
        signed[TIMESTAMP] = self._next(TIMESTAMP, self._timestamp, root)
        return signed

    def _next(self, name: str, metadata: Metadata[Any], by: Root | Targets) -> Metadata[Any]:
        """Make `metadata` the next version of a role, signed with its keys, which `by` names."""
        before = self.depot.signed.get(name)
        metadata.signed.version = before.version + 1 if before else 1
        renew(metadata.signed, self.now)
        metadata.signatures.clear()
        sign_with(self.keychain, metadata, name, by)
        return metadata


def sign_with(keychain: Keychain, metadata: Metadata[Any], role: str, by: Root | Targets) -> None:
    """Sign `metadata` with the keys that `by` gives to `role`; raise TrustError when too few are here."""
    wanted = by.get_delegated_role(role)
    keys = [by.get_key(keyid) for keyid in wanted.keyids]
    for keyid, private in keychain.need(keys, wanted.threshold, role):
        add_signature(metadata, keyid, private)
